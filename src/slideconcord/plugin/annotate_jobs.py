"""What takes its time before one can draw: opening a document, reading files, tracing a mask."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.annotations import Annotation, read_annotations
from slideconcord.annotations.annotation import new_id
from slideconcord.annotations.classes import AnnotationClass, next_colour
from slideconcord.annotations.editing import About, ClassList, Document
from slideconcord.annotations.editing import operations as op
from slideconcord.annotations.editing.journal import journal_of
from slideconcord.annotations.exchange import make_folder
from slideconcord.plugin.annotate_place import default_path, place_of, remember_place
from slideconcord.plugin.masks import fits

if TYPE_CHECKING:
    from slideconcord.plugin.workspace import SlideEntry
    from slideconcord.slides import Slide

_FIRST_CLASSES = ("Tumor", "Stroma", "Necrosis", "Other")
Report = tuple[str, ...]


def first_classes() -> ClassList:
    """Return the classes of a new document."""
    classes: list[AnnotationClass] = []
    for number, name in enumerate(_FIRST_CLASSES, 1):
        classes.append(AnnotationClass(name, next_colour(classes), str(number)))
    return ClassList(tuple(classes))


def about(slide: Slide) -> About:
    """Return what a slide's document notes about it."""
    return About(slide.fingerprint, slide.mpp, slide.bounds)


def open_at(path: Path, slide: Slide, classes: ClassList | None = None) -> Document:
    """Open the document of a slide that is kept in ``path``; it is made when new.

    Raises
    ------
    SlideconcordError
        As `Document`.
    """
    make_folder(path.parent)
    if classes is None and not (path.exists() or journal_of(path).exists()):
        classes = first_classes()
    return Document(path, about(slide), classes=classes)


def open_kept(folder: Path, slide: Slide) -> Document:
    """Open the document of a slide where it was kept before.

    Raises
    ------
    SlideconcordError
        As `Document` and `place_of`.
    """
    path = place_of(folder, slide)
    document = open_at(path, slide)
    if path != default_path(folder, slide) and not (path.exists() or len(document.sheet)):
        document.report = (*document.report, f"{path} is not there: the next change makes it.")
    return document


def open_chosen(folder: Path, slide: Slide, path: Path) -> Document:
    """Open the document of a slide in a file of one's own, and remember which.

    Raises
    ------
    SlideconcordError
        As `Document` and `remember_place`.
    """
    document = open_at(path, slide)
    try:
        remember_place(folder, slide, path)
    except BaseException:
        document.close(save=False)
        raise
    return document


def opening(
    open_document: Callable[[], Document], adding: Iterable[Annotation] = ()
) -> Generator[str, None, Document]:
    """Open a document, and add what a file held that is too much to add while one draws."""
    document = open_document()
    try:
        yield "opened"
        if added := tuple(adding):
            add_to(document.do, document, added, "open file")
            yield "added"
    except BaseException:
        document.close(save=False)
        raise
    return document


def add_to(
    do: Callable[[Any], Any], document: Document, found: Iterable[Annotation], label: str
) -> None:
    """Add annotations to a document, and their classes to its list."""
    there = document.sheet
    new = [replace(a, id=new_id()) if a.id in there else a for a in found]
    classes = there.classes.with_those_of(new)
    if classes != there.classes:
        do(op.edit_classes(there, classes))
    do(op.add(new, label))


def reading(path: Path, slide: Slide) -> Generator[str, None, tuple[list[Annotation], Report]]:
    """Read a file of any known format."""
    yield "reading"
    found = read_annotations(path, bounds=slide.bounds, mpp=slide.mpp)
    return list(found), found.report


def tracing(
    entry: SlideEntry, class_name: str | None
) -> Generator[Any, None, tuple[list[Annotation], Report]]:
    """Make annotations of what the thresholds give now, at the map's full resolution."""
    from slideconcord.segmentation.exact import exact_mask
    from slideconcord.segmentation.regions import find_regions

    index = entry.index if fits(entry.index, entry.tuning) else None
    mask = yield from exact_mask(
        entry.probability, entry.tuning, class_name=entry.class_name, index=index
    )
    # new ids: what was taken before, and corrected since, stays
    found = [
        replace(region, class_name=class_name, id=new_id(), metadata={"drawn by": "model"})
        for region in find_regions(mask)
    ]
    return found, ()
