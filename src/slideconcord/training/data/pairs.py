"""Pairs of tiles that show the same tissue as two scanners see it; nobody needs to annotate them.

The scans of a case are laid on its hub; squares of tissue that all of them show are read from each,
on one grid. Slides are read once, and closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from slideconcord.comparison.appearance.patches import read_patch
from slideconcord.comparison.appearance.sampler import (
    PlacedScan,
    Sampling,
    ScannerCase,
    choose_regions,
)
from slideconcord.comparison.case import Case
from slideconcord.comparison.case_files import read_case
from slideconcord.comparison.case_registration import RegisteredCase, register_case
from slideconcord.errors import MismatchError, ParameterError, RegistrationError
from slideconcord.provenance import fingerprint_json
from slideconcord.segmentation.tissue import find_tissue
from slideconcord.training.augment.random import Draws
from slideconcord.training.data.tile import Grid


@dataclass(frozen=True)
class CasePairs:
    """The scans of one glass slide as a source of pairs.

    The slide must be none of those that are checked or tested on. A scan that is among them is
    refused, where the data tell their scans (slides do, pictures and virtual tissue do not);
    another scan of the same glass slide cannot be told.
    """

    path: str = ""
    """A case file, or a folder that holds one."""
    regions: Annotated[int, Field(ge=1)] = 64
    """Squares of tissue, at most; each is read from every scan."""
    min_tissue: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Least share of a square that is tissue."""
    seed: int = 0
    """Names which squares are taken."""

    def open(self, grid: Grid, held_out: frozenset[str] = frozenset()) -> Pairs:
        """Register the scans, or take what is saved beside the case, and read the tiles.

        Parameters
        ----------
        grid
            How the tiles that are learnt from are cut.
        held_out
            `Slide.fingerprint` of scans that are checked or tested on.

        Raises
        ------
        MismatchError
            When a scan of the case is held out.
        ParameterError
            When there is no case, or no square of tissue on all scans.
        RegistrationError
            When a scan cannot be laid on the hub.
        SlideError
            When a slide cannot be read.
        """
        if not self.path:
            raise ParameterError("pairs: give the case whose scans are paired (path: case.yaml).")
        case = read_case(self.path)
        if held_out:
            _refuse_held_out(case, held_out)
        return read_pairs(registered(case), self._sampling(grid))

    def _sampling(self, grid: Grid) -> Sampling:
        side_um = grid.tile_px * grid.mpp
        return Sampling(self.regions, side_um, grid.tile_px, self.min_tissue, self.seed)


@dataclass(frozen=True)
class Pairs:
    """Tiles of the same tissue by several scanners."""

    tiles: NDArray[np.uint8] = field(repr=False)
    """(region, scanner, y, x, 3): one region's tiles show the same µm at the same pixel."""
    scanners: tuple[str, ...]
    fingerprint: str
    """SHA-256 of slides, registrations and squares; no name and no place enters."""

    def drawn(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw for each tile of a batch a region, and two different scanners in random order.

        Returns
        -------
        Two batches (tile, 3, y, x) float32, 0 to 255, in the memory of the processor.
        """
        regions, scanners = self.tiles.shape[:2]
        region = draws.integers(0, regions - 1).tolist()
        first = draws.integers(0, scanners - 1)
        second = ((first + draws.integers(1, scanners - 1)) % scanners).tolist()
        return self._batch(region, first.tolist()), self._batch(region, second)

    def _batch(self, regions: Sequence[int], scanners: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.tiles[regions, scanners]).permute(0, 3, 1, 2).float()


def _refuse_held_out(case: Case, held_out: frozenset[str]) -> None:
    with case.open() as slides:
        for scanner, slide in slides.items():
            if slide.fingerprint in held_out:
                raise MismatchError(
                    f"pairs: the scan of {scanner} in case {case.name} is checked or tested on, "
                    "and would be learnt from: give the case of another slide, or list the slide "
                    "among those that are learnt from (column split)."
                )


def registered(case: Case) -> RegisteredCase:
    """Lay the scans of a case on its hub, or take the registrations that are saved with it.

    Raises
    ------
    RegistrationError
        When one failed.
    """
    steps = register_case(case, closures=False)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: RegisteredCase = end.value
            break
    for scanner, found in result.registrations.items():
        if found.status == "failed":
            raise RegistrationError(
                f"The scan of {scanner} in case {case.name} could not be laid on {case.hub} "
                f"({found.reason}): place it by hand, or leave it out of the case.",
                found.reason,
            )
    return result


def read_pairs(registered: RegisteredCase, sampling: Sampling) -> Pairs:
    """Read squares of tissue from all scans of a registered case.

    Raises
    ------
    ParameterError
        When no square fits, or a scan is coarser than the tiles.
    SlideError
        When a slide cannot be read.
    """
    case, found = registered.case, registered.registrations
    with case.open() as slides:
        scans = tuple(
            PlacedScan.hub(name, slide)
            if name == case.hub
            else PlacedScan(name, slide, found[name].to_moving_px)
            for name, slide in slides.items()
        )
        placed = ScannerCase(case.name, scans, find_tissue(slides[case.hub]))
        made = fingerprint_json(
            {
                "slides": [slide.fingerprint for slide in slides.values()],
                "maps": {name: str(each.affine) for name, each in found.items()},
                "sampling": str(sampling),
            }
        )
        return Pairs(read_tiles(placed, sampling), tuple(slides), made)


def read_tiles(case: ScannerCase, sampling: Sampling) -> NDArray[np.uint8]:
    """Return tiles (region, scanner, y, x, 3) of the squares that `choose_regions` takes."""
    regions = choose_regions(case, sampling)
    return np.stack(
        [[read_patch(scan, region, sampling.side_px) for scan in case.scans] for region in regions]
    )
