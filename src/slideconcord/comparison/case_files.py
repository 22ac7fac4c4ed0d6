"""Cases as files: a small YAML, or a folder of slides."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from slideconcord.comparison.case import Case, CaseScan, case_of
from slideconcord.errors import ParameterError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Mpp
from slideconcord.segmentation.thresholds import Thresholds
from slideconcord.segmentation.tuning import DESCRIBED, Tuning
from slideconcord.yaml_files import check_keys, read_yaml, write_yaml

CASE_NAME = "case.yaml"
REGISTRATIONS = "registrations"
_KEYS = ("name", "hub", "scans", "registrations", "tuning", "reference_classes", "virtual")
_PATHS = ("mask", "probability", "reference")
_SCAN_KEYS = ("path", "scanner", "mpp", *_PATHS)
_ENDINGS = (".yaml", ".yml")


def read_case(path: str | os.PathLike[str]) -> Case:
    """Read a case from a YAML file, or from a folder that holds one or that holds its slides.

    Paths in the file are relative to it. The keys::

        name: case 7                # optional: the folder's name
        hub: AT2                    # optional: the first scan's scanner
        registrations: somewhere    # optional: the folder registrations beside the file
        tuning: {low: 0.33, high: 0.9}
        reference_classes: [Tumor]
        scans:
          - path: case7_at2.svs
            scanner: AT2
            mpp: 0.25               # where the file has none
            mask: at2/mask.zarr     # or probability: at2/probability.zarr
            reference: at2.geojson

    Raises
    ------
    ParameterError
        When there is no such file, a key is unknown or missing, or the case makes no sense.
    SlideError
        When a slide, mask or reference that it names does not exist.
    """
    path = Path(path)
    if not path.exists():
        raise ParameterError(f"{path} does not exist: give a case.yaml, or a folder with slides.")
    if path.is_dir():
        return read_case(path / CASE_NAME) if (path / CASE_NAME).exists() else _of_folder(path)
    values = read_yaml(path, "is no case: it needs at least the key scans")
    check_keys(values, _KEYS, path.name)
    scans = values.get("scans")
    if not isinstance(scans, list) or not scans:
        raise ParameterError(f"{path.name} names no scans: list them under the key scans.")
    read = tuple(_scan(facts, i, path) for i, facts in enumerate(scans, 1))
    return Case(
        name=str(values.get("name", path.resolve().parent.name)),
        scans=read,
        hub=str(values.get("hub", read[0].scanner)),
        registrations=path.parent / str(values.get("registrations", REGISTRATIONS)),
        tuning=_tuning(values.get("tuning", {}), path),
        reference_classes=_names(values.get("reference_classes", ()), path),
        virtual=str(values.get("virtual", "")),
    )


def write_case(case: Case, path: str | os.PathLike[str]) -> None:
    """Write a case as YAML, whole or not at all; paths become relative to the file.

    Raises
    ------
    OutputError
        When the place cannot be written.
    """
    from slideconcord.annotations.exchange import atomic

    path = Path(path)
    values: dict[str, Any] = {"name": case.name}
    if case.virtual:
        values["virtual"] = case.virtual
    values["hub"] = case.hub
    if case.registrations is not None:
        values["registrations"] = _relative(case.registrations, path)
    if case.tuning != Tuning():
        values["tuning"] = _tuning_facts(case.tuning)
    if case.reference_classes:
        values["reference_classes"] = list(case.reference_classes)
    values["scans"] = [_scan_facts(scan, path) for scan in case.scans]
    with atomic(path) as partial:
        partial.write_text(write_yaml(values), encoding="utf-8", newline="\n")


def is_case(path: Path) -> bool:
    """Tell whether a path looks like a case rather than a slide."""
    return path.suffix.lower() in _ENDINGS or (path / CASE_NAME).is_file()


def _scan(facts: Any, number: int, path: Path) -> CaseScan:
    where = f"Scan {number} of {path.name}"
    if not isinstance(facts, Mapping):
        raise ParameterError(f"{where} is {facts!r}: give it the keys path and scanner.")
    check_keys(facts, _SCAN_KEYS, where)
    for key in ("path", "scanner"):
        if facts.get(key) in (None, ""):
            raise ParameterError(f"{where} has no {key}: give it the keys path and scanner.")
    places = {
        key: _existing(path.parent / str(facts[key]), f"the {key} of {facts['scanner']}", path)
        for key in ("path", *_PATHS)
        if facts.get(key) is not None
    }
    mpp = facts.get("mpp")
    return CaseScan(
        path=places["path"],
        scanner=str(facts["scanner"]),
        mpp=None if mpp is None else _mpp(mpp, where),
        **{key: places.get(key) for key in _PATHS},
    )


def _existing(place: Path, what: str, case: Path) -> Path:
    if not place.exists():
        raise SlideError(
            f"{place} does not exist: {case.name} names it as {what}. Correct the path, which is "
            f"relative to {case.name}.",
            place,
        )
    return place


def _mpp(value: Any, where: str) -> Mpp:
    good = isinstance(value, int | float) or (
        isinstance(value, list) and all(isinstance(each, int | float) for each in value)
    )
    try:
        if good and not isinstance(value, bool):
            return Mpp.of(value)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error
    raise ParameterError(f"{where}: mpp is {value!r}. Write mpp: 0.25, in µm per pixel.")


def _tuning(values: Any, path: Path) -> Tuning:
    where = f"The tuning in {path.name}"
    if not isinstance(values, Mapping):
        raise ParameterError(f"{where} is {values!r}: write tuning: {{low: 0.33, high: 0.9}}.")
    check_keys(values, (*(f.name for f in fields(Thresholds)), *DESCRIBED), where)
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{where} has {name}: {value!r}, which is no number.")
    plain = Thresholds()
    thresholds = Thresholds(values.get("low", plain.low), values.get("high", plain.high))
    return Tuning(thresholds, **{k: values[k] for k in DESCRIBED if k in values})


def _tuning_facts(tuning: Tuning) -> dict[str, float]:
    if tuning.edits:
        raise ParameterError(
            "A tuning with edits by hand does not fit into a case, whose scans each have other "
            "pixels: export the masks and name those."
        )
    named = {name: getattr(tuning, name) for name in DESCRIBED}
    kept = {name: value for name, value in named.items() if value != getattr(Tuning(), name)}
    return {"low": tuning.low, "high": tuning.high, **kept}


def _names(values: Any, path: Path) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ParameterError(f"{path.name}: write reference_classes: [Tumor].")
    return tuple(map(str, values))


def _of_folder(folder: Path) -> Case:
    """Return the case of all slides in a folder, in the order of their names."""
    slides = [path for path in sorted(folder.iterdir()) if _is_slide(path)]
    if len(slides) < 2:
        raise ParameterError(
            f"{folder} holds {len(slides)} slide(s) and no {CASE_NAME}: a case needs two scans or "
            "more of the same glass slide."
        )
    # nothing is written among somebody's slides
    return case_of(slides, name=folder.resolve().name)


def _is_slide(path: Path) -> bool:
    from slideconcord.slides.opening import check_readable, find_reader, known_readers

    if path.name.startswith(".") or path.is_dir():
        return False
    try:
        check_readable(path)
        find_reader(path, known_readers()).close()
    except UnsupportedSlideError:
        return False
    return True


def _relative(place: Path, case: Path) -> str:
    return Path(os.path.relpath(place, case.parent)).as_posix()


def _scan_facts(scan: CaseScan, path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": _relative(scan.path, path), "scanner": scan.scanner}
    if scan.mpp is not None:
        facts["mpp"] = list(scan.mpp)
    for key in _PATHS:
        if (place := getattr(scan, key)) is not None:
            facts[key] = _relative(place, path)
    return facts
