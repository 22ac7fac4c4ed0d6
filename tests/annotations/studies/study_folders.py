"""Small studies on disk, and what an observer may have drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import shapely

from slideconcord.annotations import Annotation
from slideconcord.annotations.classes import AnnotationClass
from slideconcord.annotations.studies import Observer, Round, Study, StudySlide, write_study

TUMOR = AnnotationClass("Tumor", (200, 0, 0), "t")
STROMA = AnnotationClass("Stroma", (0, 160, 70), "s")


def make_study(folder: Path, slide: Path, **changes) -> Study:
    """Write a study of two copies of a slide and two observers into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    slides = []
    for number in (1, 2):
        path = folder / "slides" / f"slide{number}.tif"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            shutil.copy(slide, path)
            with path.open("ab") as file:
                file.write(bytes([number]))  # another slide for every fingerprint
        slides.append(StudySlide(f"s{number}", path))
    values = {
        "name": "Tumour",
        "slides": tuple(slides),
        "observers": (Observer("o1", "Ada"), Observer("o2")),
        "classes": (TUMOR, STROMA),
        "instructions": "Outline every tumour region.",
        **changes,
    }
    study = Study(folder, **values)
    write_study(study)
    return study


TWO_ROUNDS = (Round("first"), Round("second", 14))


def square(at: float, class_name: str | None = "Tumor", side: float = 100) -> Annotation:
    return Annotation(shapely.box(at, at, at + side, at + side), class_name, TUMOR.colour)
