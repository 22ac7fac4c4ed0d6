"""Virtual scanners by name. All of them are invented, whatever their character recalls."""

from __future__ import annotations

from slideconcord.samples.scanner import VirtualScanner
from slideconcord.samples.stitching import Stitching

# The character of two scanners of a published comparison.
SCANNERS: dict[str, VirtualScanner] = {
    "virtual-A": VirtualScanner(
        "virtual-A",
        eosin=(0.12, 0.95, 0.28),
        haematoxylin=(0.68, 0.69, 0.25),
        blur_um=0.25,
        seed=1,
        margin_um=20.0,
    ),
    "virtual-B": VirtualScanner(
        "virtual-B",
        mpp=0.46,
        rotation_deg=1.5,
        shift_um=(14.0, -22.0),
        haematoxylin=(0.58, 0.72, 0.38),
        eosin=(0.13, 0.84, 0.52),
        white=(247.0, 243.0, 236.0),
        gamma=0.90,
        blur_um=0.48,
        noise=1.6,
        seed=2,
        jpeg_quality=80,
        margin_um=45.0,
    ),
}

# In the order of SCORPION (2507.20907), Figure 1, whose AT2 is the reference: a line scanner, a
# newer and sharper one of the same family, a tile scanner, one that stitches camera fields, and
# a line scanner of cool white. No number here was measured on a real device.
FIVE_SCANNERS: dict[str, VirtualScanner] = {
    scanner.name: scanner
    for scanner in (
        VirtualScanner(
            "virtual-AT2",
            mpp=0.50,
            haematoxylin=(0.66, 0.70, 0.28),
            eosin=(0.09, 0.96, 0.24),
            white=(243.0, 242.0, 243.0),
            blur_um=0.32,
            noise=1.2,
            seed=11,
            jpeg_quality=75,
            margin_um=60.0,
            stitching=Stitching(width_um=480.0, jitter_um=0.6, drift_um=0.8),
        ),
        VirtualScanner(
            "virtual-GT450",
            mpp=0.52,
            rotation_deg=-0.6,
            shift_um=(-21.0, 12.0),
            haematoxylin=(0.68, 0.69, 0.25),
            eosin=(0.10, 0.96, 0.22),
            white=(248.0, 247.0, 248.0),
            gamma=1.06,
            blur_um=0.26,
            noise=0.8,
            seed=12,
            jpeg_quality=88,
            margin_um=60.0,
            stretch=(1.0015, 0.9990),
            stitching=Stitching(width_um=1060.0, jitter_um=0.5, drift_um=0.6),
        ),
        VirtualScanner(
            "virtual-DP200",
            mpp=0.465,
            rotation_deg=1.4,
            shift_um=(18.0, 31.0),
            haematoxylin=(0.58, 0.73, 0.36),
            eosin=(0.14, 0.86, 0.48),
            white=(251.0, 247.0, 239.0),
            gamma=0.86,
            blur_um=0.45,
            noise=1.5,
            seed=13,
            jpeg_quality=82,
            margin_um=70.0,
            shear_deg=0.05,
            stretch=(0.9985, 1.0012),
            stitching=Stitching(height_um=420.0, width_um=560.0, jitter_um=0.8, walk_um=0.4),
        ),
        VirtualScanner(
            "virtual-P1000",
            mpp=0.486,
            rotation_deg=-2.3,
            shift_um=(-34.0, -9.0),
            haematoxylin=(0.73, 0.64, 0.23),
            eosin=(0.05, 0.99, 0.14),
            white=(234.0, 238.0, 240.0),
            gamma=1.22,
            blur_um=0.30,
            noise=1.0,
            seed=14,
            jpeg_quality=80,
            margin_um=80.0,
            stitching=Stitching(height_um=330.0, width_um=330.0, jitter_um=1.0),
        ),
        VirtualScanner(
            "virtual-UFS",
            mpp=0.50,
            rotation_deg=181.2,
            shift_um=(9.0, -26.0),
            haematoxylin=(0.61, 0.72, 0.33),
            eosin=(0.04, 0.90, 0.34),
            white=(232.0, 236.0, 247.0),
            gamma=0.95,
            blur_um=0.38,
            noise=1.3,
            seed=15,
            jpeg_quality=80,
            margin_um=70.0,
            stretch=(1.0008, 1.0020),
            stitching=Stitching(width_um=740.0, jitter_um=0.9, drift_um=1.1),
        ),
    )
}
