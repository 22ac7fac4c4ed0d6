"""Make the samples that are shipped with the package: ``python -m slideconcord.samples``."""

from __future__ import annotations

from slideconcord.samples.cases import DATA, SHIPPED, sample_steps

if __name__ == "__main__":
    for step in sample_steps(SHIPPED, DATA, make=True):
        if step.finished:
            print(step.finished)  # noqa: T201 - a command's answer
