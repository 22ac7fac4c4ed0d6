"""Find the reader that understands a file, and say why each of the others does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module, metadata
from os import PathLike
from pathlib import Path
from typing import cast

from slideconcord.errors import MissingMppError, ParameterError, SlideError, UnsupportedSlideError
from slideconcord.geometry import Mpp
from slideconcord.slides.colour import Colour
from slideconcord.slides.reader import SlideReader
from slideconcord.slides.slide import Slide

READERS: dict[str, str] = {
    "openslide": "slideconcord.slides.openslide:OpenSlideReader",
    "ngff": "slideconcord.slides.ngff:NgffReader",
    "tiff": "slideconcord.slides.tiff:TiffReader",
    "image": "slideconcord.slides.image:ImageReader",
}
"""Name -> "module:Class" of a SlideReader, in the order they are tried."""

_ENTRY_POINTS = "slideconcord.readers"


def open_slide(
    path: str | PathLike[str],
    *,
    mpp: float | Sequence[float] | None = None,
    colour: Colour = "raw",
    reader: str | None = None,
) -> Slide:
    """Open a whole-slide image.

    Parameters
    ----------
    path
        A file, or the folder of a DICOM slide or OME-Zarr.
    mpp
        Level-0 pixel size in µm, one value or (y, x), for files that do not say it or say it
        wrong.
    colour
        ``"raw"``: pixels as stored. ``"srgb"``: through the slide's ICC profile.
    reader
        A name of `READERS`, to try no other.

    Raises
    ------
    SlideError
        When there is no such file or it may not be read.
    UnsupportedSlideError
        When no reader understands it; ``tried`` gives each reader's reason.
    MissingMppError
        When the file has no believable pixel size and none is given.
    ParameterError
        When ``mpp``, ``colour`` or ``reader`` is out of range or unknown.
    """
    path = Path(path)
    given = None if mpp is None else Mpp.of(mpp)
    check_readable(path)
    opened = find_reader(path, known_readers(reader))
    try:
        return Slide(
            path,
            opened,
            given or believable_mpp(path, opened.info.mpp),
            "given" if given else "file",
            colour,
        )
    except BaseException:
        opened.close()
        raise


def known_readers(only: str | None = None) -> dict[str, str]:
    """Return name -> "module:Class" of the built-in readers and those of other packages."""
    found = {point.name: point.value for point in metadata.entry_points(group=_ENTRY_POINTS)}
    known = READERS | {name: at for name, at in found.items() if name not in READERS}
    if only is None:
        return known
    if only not in known:
        raise ParameterError(f"reader={only!r} is unknown: choose one of {', '.join(known)}.")
    return {only: known[only]}


def find_reader(path: Path, readers: Mapping[str, str]) -> SlideReader:
    """Return the first reader that opens the file."""
    tried: dict[str, str] = {}
    for name, place in readers.items():
        try:
            return _reader_class(place)(path)
        except OSError as error:  # SlideErrors are among them
            tried[name] = str(error)
        except (ImportError, AttributeError) as error:
            if name in READERS:
                raise
            tried[name] = f"cannot be loaded: {error}"
    reasons = "; ".join(f"{name}: {why}" for name, why in tried.items())
    raise UnsupportedSlideError(
        f"{path.name} is no slide that can be read here ({reasons}).", path, tried
    )


def _reader_class(place: str) -> type[SlideReader]:
    module, _, attribute = place.partition(":")
    return cast("type[SlideReader]", getattr(import_module(module), attribute))


def check_readable(path: Path) -> None:
    """Refuse what no reader can open, for the reason that is really in the way."""
    try:
        if path.is_dir():
            if not any(path.iterdir()):
                raise UnsupportedSlideError(f"{path.name} is an empty folder, not a slide.", path)
            return
        # Opening a pipe would wait for ever for its other end.
        if path.exists() and not path.is_file():
            raise SlideError(f"{path.name} is neither a file nor a folder.", path)
        with path.open("rb") as file:
            empty = not file.read(1)
    except ValueError as error:
        raise SlideError(f"{str(path)!r} is not a name that a file can have.", path) from error
    except FileNotFoundError:
        raise SlideError(f"{path} does not exist: check the name and the folder.", path) from None
    except PermissionError:
        raise SlideError(
            f"{path.name} may not be read: give yourself permission to read it.", path
        ) from None
    except OSError as error:
        if isinstance(error, SlideError):
            raise
        raise SlideError(f"{path.name} cannot be read: {error.strerror or error}.", path) from error
    if empty:
        raise UnsupportedSlideError(f"{path.name} is empty (0 bytes): copy it again.", path)


def believable_mpp(path: Path, claimed: Mpp | None) -> Mpp:
    """Return the claimed pixel size, if a slide scanner can have made it."""
    if claimed is None:
        raise MissingMppError(
            f"{path.name} has no pixel size. Pass mpp=0.25 (or --mpp 0.25).", path
        )
    if not claimed.is_plausible:
        worst = max(claimed) if max(claimed) > 1 else min(claimed)
        raise MissingMppError(
            f"{path.name} claims {worst:g} µm per pixel, which no slide scanner makes. "
            "Pass mpp=0.25 (or --mpp 0.25).",
            path,
        )
    return claimed
