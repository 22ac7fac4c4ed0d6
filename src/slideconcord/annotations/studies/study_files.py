"""``study.yaml``: read strictly, written so that people can go on with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from slideconcord.annotations.classes import AnnotationClass, read_colour
from slideconcord.annotations.exchange import atomic, make_folder
from slideconcord.annotations.studies.order import Order
from slideconcord.annotations.studies.study import (
    STUDY_NAME,
    Agreement,
    Observer,
    Round,
    Study,
    StudySlide,
)
from slideconcord.annotations.studies.yaml_part import Part
from slideconcord.errors import OutputError, ParameterError
from slideconcord.geometry import Mpp
from slideconcord.yaml_files import read_yaml, write_yaml

_KEYS = (
    *("name", "instructions", "slides", "observers", "classes", "rounds"),
    *("blinding", "order", "agreement"),
)
_SLIDE_KEYS = ("id", "file", "mpp", "case", "scanner", "region", "model", "fingerprint")


def open_study(folder: str | os.PathLike[str]) -> Study:
    """Read a study from its folder, or from its ``study.yaml``.

    Paths in the file are relative to it. The keys::

        name: Colon tumour
        instructions: Outline every tumour region; leave out necrosis.
        slides:
          - id: s01
            file: ../slides/a.svs
            mpp: 0.25              # optional: where the file has none
            case: c01              # optional, as scanner: AT2
            region: regions/a.geojson   # optional: the part that is read
            model: a/mask.zarr     # optional: what a model found
            fingerprint: 5f2c...   # optional: `study new` writes it
        observers:
          - id: o1
            name: First reader     # optional: the Study dock shows it, no report does
        classes:
          - {name: Tumor, colour: "#c80000", key: t}
        rounds:                    # optional: one round, called first
          - name: first
          - {name: second, washout_days: 14}
        blinding: {model: hidden}  # or shown; observers never see one another's work
        order: {kind: random, seed: 1}    # or fixed
        agreement: {mpp: 1.0, tissue_only: true}

    Raises
    ------
    ParameterError
        When there is no such file, or a key or value in it makes no sense.
    """
    path = Path(folder)
    path = path if path.name == STUDY_NAME else path / STUDY_NAME
    if not path.is_file():
        raise ParameterError(
            f"{path} does not exist: give the folder of a study, or make one with "
            "'slideconcord study new'."
        )
    top = Part(read_yaml(path, "is no study: it needs keys and values"), _KEYS, path.name)
    place = path.parent
    return top.told(
        lambda: Study(
            folder=place,
            name=top.text("name", place.resolve().name),
            slides=top.each("slides", lambda value, where: _slide(value, where, place)),
            observers=top.each("observers", _observer),
            classes=top.each("classes", _class),
            rounds=(Round("first"),) if top.raw("rounds") is None else top.each("rounds", _round),
            instructions=top.text("instructions", ""),
            model_output=_model_output(top),
            order=_order(top),
            agreement=_agreement(top),
        )
    )


def write_study(study: Study) -> Path:
    """Write a study as ``study.yaml`` into its folder; return the file.

    Raises
    ------
    OutputError
        When the folder has a study already, or cannot be written.
    """
    path = study.folder / STUDY_NAME
    if path.exists():
        raise OutputError(
            f"{path} is already there: change it in an editor, or choose another folder.", path
        )
    make_folder(study.folder)
    with atomic(path) as partial:
        partial.write_text(write_yaml(_facts(study)), encoding="utf-8", newline="\n")
    return path


def _slide(value: Any, where: str, folder: Path) -> StudySlide:
    part = Part(value, _SLIDE_KEYS, where)
    mpp = part.raw("mpp")
    file = folder / part.text("file")
    return part.told(
        lambda: StudySlide(
            id=part.text("id"),
            path=file,
            mpp=None if mpp is None else _mpp(mpp, where),
            case=part.text("case", ""),
            scanner=part.text("scanner", ""),
            region=part.path("region", folder),
            model=part.path("model", folder),
            fingerprint=part.text("fingerprint", ""),
        )
    )


def _mpp(value: Any, where: str) -> Mpp:
    pair = value if isinstance(value, list) else [value]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in pair):
        raise ParameterError(f"{where} has mpp: {value!r}: write mpp: 0.25, in µm per pixel.")
    return Mpp.of(value)


def _observer(value: Any, where: str) -> Observer:
    part = Part.of(value, ("id", "name"), where)
    return part.told(lambda: Observer(part.text("id"), part.text("name", "")))


def _class(value: Any, where: str) -> AnnotationClass:
    part = Part(value, ("name", "colour", "key"), where)
    key = part.raw("key")
    # a digit alone is a number in YAML, and cannot be meant otherwise
    key = str(key) if type(key) is int and 0 <= key <= 9 else part.text("key", "")
    colour = part.text("colour", example='"#c80000", in quotation marks')
    return part.told(lambda: AnnotationClass(part.text("name"), read_colour(colour), key))


def _round(value: Any, where: str) -> Round:
    part = Part.of(value, ("name", "washout_days"), where)
    return part.told(lambda: Round(part.text("name"), part.number("washout_days", 0)))


def _model_output(top: Part) -> Any:
    return top.part("blinding", ("model",)).text("model", "hidden")


def _order(top: Part) -> Order:
    part = top.part("order", ("kind", "seed"))
    kind: Any = part.text("kind", "fixed")  # Order refuses what it does not know
    return part.told(lambda: Order(kind, part.whole("seed", 0)))


def _agreement(top: Part) -> Agreement:
    plain = Agreement()
    part = top.part("agreement", ("mpp", "tissue_only"))
    return part.told(
        lambda: Agreement(
            part.number("mpp", plain.mpp), part.flag("tissue_only", plain.tissue_only)
        )
    )


def _facts(study: Study) -> dict[str, Any]:
    """Return the keys and values of a study's file."""
    return {
        "name": study.name,
        "instructions": study.instructions,
        "slides": [_slide_facts(slide, study.folder) for slide in study.slides],
        "observers": [_filled(id=each.id, name=each.name) for each in study.observers],
        "classes": [_filled(name=c.name, colour=c.hex, key=c.key) for c in study.classes],
        "rounds": [_filled(name=r.name, washout_days=r.washout_days) for r in study.rounds],
        "blinding": {"model": study.model_output},
        "order": {"kind": study.order.kind, "seed": study.order.seed},
        "agreement": {
            "mpp": study.agreement.mpp,
            "tissue_only": study.agreement.tissue_only,
        },
    }


def _slide_facts(slide: StudySlide, folder: Path) -> dict[str, Any]:
    mpp = slide.mpp and (slide.mpp.y if slide.mpp.y == slide.mpp.x else list(slide.mpp))
    return _filled(
        id=slide.id,
        file=_relative(slide.path, folder),
        mpp=mpp,
        case=slide.case,
        scanner=slide.scanner,
        region=slide.region and _relative(slide.region, folder),
        model=slide.model and _relative(slide.model, folder),
        fingerprint=slide.fingerprint,
    )


def _filled(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value}


def _relative(place: Path, folder: Path) -> str:
    # a way up from a linked folder leads elsewhere; a slide that is a link stays one
    place = place.parent.resolve() / place.name
    try:
        return Path(os.path.relpath(place, folder.resolve())).as_posix()
    except ValueError:  # another drive
        return place.as_posix()
