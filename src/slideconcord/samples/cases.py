"""The samples that people can open: one tissue seen by the virtual scanners, with its truth."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from slideconcord.errors import OutputError, ParameterError
from slideconcord.geometry import Mpp
from slideconcord.samples.digitise import TILE_PX, describe, scan
from slideconcord.samples.landmarks import landmarks_csv
from slideconcord.samples.origin import VIRTUAL
from slideconcord.samples.presets import FIVE_SCANNERS, SCANNERS
from slideconcord.samples.regions import truth_regions
from slideconcord.samples.scanner import VirtualScanner
from slideconcord.samples.tiff import written_whole
from slideconcord.samples.tissue import CLASS_NAMES, VirtualTissue

SHIPPED = "colon-virtual-small"
DATA = Path(__file__).parent / "data"
"""Samples shipped with the package."""


_CASE_FILES = (
    "case.yaml: the scans of the one slide, for registration and comparison.\n"
    "*.landmarks.csv: points of the tissue and where each scan shows them, exactly, in level-0\n"
    "pixels (0, 0 is the corner of the first pixel). A registration can be measured by them.\n"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a named sample is made of."""

    description: str
    tissue: VirtualTissue
    truth_mpp: float = 2.0
    five: bool = False
    """Whether the five scanners digitised it: a whole case, with landmarks; else the two."""

    @property
    def scanners(self) -> Mapping[str, VirtualScanner]:
        return FIVE_SCANNERS if self.five else SCANNERS


_SAMPLES = {
    "colon-virtual": Sample(
        "Virtual colon with a tumour, 3 x 3 mm, from two virtual scanners, with its truth",
        VirtualTissue(seed=12, height_um=3000.0, width_um=3000.0),
    ),
    "colon-virtual-small": Sample(
        "The same kind of virtual tissue, 0.8 x 0.8 mm, shipped with slideconcord",
        VirtualTissue(seed=1, height_um=780.0, width_um=780.0),
    ),
    "colon-virtual-five": Sample(
        "Virtual colon with a tumour, 3 x 4 mm, one glass slide from five virtual scanners, "
        "with its truth",
        VirtualTissue(seed=21, height_um=3000.0, width_um=4000.0),
        five=True,
    ),
}
SAMPLES: dict[str, str] = {name: sample.description for name, sample in _SAMPLES.items()}


@dataclass(frozen=True, slots=True)
class SampleStep:
    """A part of a sample is done; ``finished`` names the file when this was its last part."""

    index: int
    total: int
    finished: Path | None = None


def write_sample(name: str, folder: str | PathLike[str]) -> list[Path]:
    """Write a sample into ``folder`` and return its files: slides, truth, README.

    Raises
    ------
    ParameterError
        When no sample has this name.
    OutputError
        When the folder cannot be written.
    """
    steps = sample_steps(name, folder)
    return [step.finished for step in steps if step.finished is not None]


def sample_steps(
    name: str, folder: str | PathLike[str], *, make: bool = False
) -> Iterator[SampleStep]:
    """Do what `write_sample` does, step by step; the README comes last.

    A sample that is shipped with the package is copied, unless ``make`` asks to compute it.
    """
    if name not in _SAMPLES:
        raise ParameterError(f"no sample is called {name!r}: choose one of {', '.join(SAMPLES)}.")
    shipped = shipped_files(name)
    if shipped and not make:
        return _copy(shipped, Path(folder))
    return _make(name, _SAMPLES[name], Path(folder))


def shipped_files(name: str) -> list[Path]:
    """Return the files of a sample inside the package, README last; none when not shipped."""
    return sorted(DATA.glob(f"{name}[_.]*"), key=lambda path: (path.suffix == ".txt", path.name))


def _copy(files: list[Path], folder: Path) -> Iterator[SampleStep]:
    _make_folder(folder)
    for index, file in enumerate(files):
        target = folder / file.name
        with written_whole(target) as part:
            shutil.copyfile(file, part)
        yield SampleStep(index + 1, len(files), target)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made: {error.strerror}. Choose a folder that can be written.",
            folder,
        ) from error


def _make(name: str, sample: Sample, folder: Path) -> Iterator[SampleStep]:
    from slideconcord.annotations import write_annotations

    _make_folder(folder)
    tissue, done = sample.tissue, 0
    texts = _texts(name, sample)
    scanners = sample.scanners.values()
    total = sum(-(-s.shape(tissue)[0] // TILE_PX) + 2 for s in scanners) + len(texts)
    for scanner in scanners:
        path = folder / f"{name}_{scanner.name}.ome.tiff"
        for _ in scan(tissue, scanner, path):
            done += 1
            yield SampleStep(done, total)
        # only now the file has its name
        done += 1
        yield SampleStep(done, total, path)
        truth = folder / f"{name}_{scanner.name}.truth.geojson"
        regions = truth_regions(tissue, scanner, sample.truth_mpp)
        write_annotations(regions, truth, mpp=Mpp.of(scanner.mpp), shape=scanner.shape(tissue))
        done += 1
        yield SampleStep(done, total, truth)
    for file, text in texts.items():
        with written_whole(folder / file) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
        done += 1
        yield SampleStep(done, total, folder / file)


def _texts(name: str, sample: Sample) -> dict[str, str]:
    """Return the text files of a sample; the README comes last, for with it a sample is whole."""
    texts = {}
    if sample.five:
        texts["case.yaml"] = _case(name, sample)
        texts[f"{name}.landmarks.csv"] = landmarks_csv(sample.tissue, sample.scanners)
    return texts | {f"{name}.README.txt": _readme(name, sample)}


def _case(name: str, sample: Sample) -> str:
    """Return the case file that names the scans of the one slide."""
    scans = "".join(
        f"  - path: {name}_{scanner}.ome.tiff\n    scanner: {scanner}\n"
        f"    reference: {name}_{scanner}.truth.geojson\n"
        for scanner in sample.scanners
    )
    hub = next(iter(sample.scanners))
    return f'# {VIRTUAL}.\nname: {name}\nvirtual: "{VIRTUAL}"\nhub: {hub}\nscans:\n{scans}'


def _readme(name: str, sample: Sample) -> str:
    scanners = sample.scanners.values()
    scans = "\n".join(f"- {describe(sample.tissue, scanner)}" for scanner in scanners)
    return (
        f"{name}: {VIRTUAL}.\n\n{sample.description}.\n"
        f"Made with `slideconcord sample {name}`.\n\n{scans}\n\n"
        f"*.truth.geojson: outlines at {sample.truth_mpp:g} µm of the classes "
        f"{CLASS_NAMES[2]} and {CLASS_NAMES[3]} (glands with their lumina), in the level-0 pixels\n"
        "of the slide of the same name. They come from the tissue, not from its picture.\n"
        f"{_CASE_FILES if sample.five else ''}"
        "Not for diagnosis, and no evidence of how a model does on real tissue.\n"
    )
