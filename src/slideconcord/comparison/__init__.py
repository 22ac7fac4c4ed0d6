"""How far masks agree: counts of pixels, the paper's statistics, regions, cohorts, thresholds."""
