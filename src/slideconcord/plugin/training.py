"""Training from the window, as plain functions: what the Train dock and scripts both call."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.errors import OutputError, ParameterError, SlideconcordError
from slideconcord.yaml_files import write_yaml

if TYPE_CHECKING:
    from slideconcord.slides import Slide
    from slideconcord.training.recipe import Recipe
    from slideconcord.training.run import TrainStep

ANNOTATION_ENDINGS = (".geojson", ".json", ".xml")
"""Of a file beside a slide, and of its name, that is taken for the slide's annotations."""
ELSEWHERE = (
    'Choose another folder under "Save to", or set recipe, data and settings as they were to go on.'
)
"""What to do in the dock, which replaces no training."""
_NOT_OFFERED = ("name", "classes", "model", "data.source")
"""What is no number to play with: it is changed in a copy of the recipe."""


@dataclass(frozen=True)
class AnnotatedSlide:
    """A slide to learn from."""

    file: Path
    annotations: Path
    patient: str


@dataclass(frozen=True)
class TrainRequest:
    """What to train, and where the run goes; the same request goes on where it stopped."""

    recipe: str
    """A bundled recipe's name, or a YAML file."""
    out: Path
    data: Path | None = None
    """A table of slides (CSV) or a folder of pictures; None for the recipe's own data."""
    changes: tuple[str, ...] = ()
    """As after --set on the command line."""
    device: str = "auto"

    @property
    def command(self) -> str:
        """The same on the command line."""
        words = [f"slideconcord train {self.recipe}"]
        words += [] if self.data is None else [f"--data '{self.data}'"]
        words += [f"--set '{change}'" for change in self.changes]
        words += [] if self.device == "auto" else [f"--device {self.device}"]
        return " ".join([*words, f"--out '{self.out}'"])


def recipe_files() -> dict[str, Path]:
    """Return name -> file of the bundled recipes, without loading what trains."""
    import slideconcord.training

    folder = Path(slideconcord.training.__file__).parent / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def recipe_head(name_or_path: str) -> str:
    """Return the comment that a recipe begins with: what, how long, to what end."""
    path = recipe_files().get(name_or_path, Path(name_or_path))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    head = []
    for text in lines:
        if not text.startswith("#"):
            break
        head.append(text.removeprefix("#").removeprefix(" "))
    return "\n".join(head).strip()


def recipe_steps(name_or_path: str) -> Generator[str, None, dict[str, str]]:
    """Read a recipe's settings, as dotted key -> YAML text, and say meanwhile what is done.

    Raises
    ------
    SlideconcordError
        When the recipe is wrong, or what trains is not installed.
    """
    yield "Reading the recipe…"
    return flat_settings(_read(name_or_path).to_json())


def flat_settings(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return what can be changed by --set, as dotted key -> YAML text; lists are one value."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if name in _NOT_OFFERED or "." in str(key):
            continue
        if isinstance(value, Mapping) and value:
            found |= flat_settings(value, f"{name}.")
        else:
            found[name] = as_text(value)
    return found


def as_text(value: Any) -> str:
    """Return a value as one line of YAML."""
    import yaml

    plain = yaml.safe_load(write_yaml({"value": value}))["value"]
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=10_000)
    return text.removesuffix("...\n").strip()


def train_pieces(request: TrainRequest) -> Generator[str | TrainStep, None, Path]:
    """Train step by step; closing the generator stops, and keeps the run as it stands.

    Returns the folder of the model. Texts in between say what is being prepared.

    Raises
    ------
    SlideconcordError
        As `train_steps`; when what trains is not installed.
    """
    yield "Loading what trains…"
    recipe = _read(request.recipe, request.changes, request.data)
    from slideconcord.training.folder import MODEL, OtherTrainingError
    from slideconcord.training.options import TrainOptions
    from slideconcord.training.run import train_steps

    yield "Reading the data…"
    try:
        steps = train_steps(recipe, request.out, TrainOptions(device=request.device))
        with closing(steps):
            yield from steps
    except OtherTrainingError as error:
        raise OutputError(f"{error.found} {ELSEWHERE}", error.path) from error
    return request.out / MODEL


def _read(name: str, changes: Iterable[str] = (), data: Path | None = None) -> Recipe:
    try:
        from slideconcord.training.recipe import read_recipe
    except ImportError as error:
        raise SlideconcordError(
            f"Training needs {error.name}. Run: pip install 'slideconcord[train]'"
        ) from error
    if data is None:
        return read_recipe(name, changes)
    source = read_recipe(name).data.source
    kind = source if isinstance(source, str) else next(iter(source))
    wanted = "slides" if data.suffix.lower() == ".csv" else "folder"
    # A recipe with data of its own kind, such as ebhi-seg, keeps its kind.
    fits = (kind == "slides") == (wanted == "slides") and kind != "virtual"
    return read_recipe(name, [*changes, *([] if fits else [f"data.source={wanted}"])], data)


def annotations_beside(slide: Slide) -> Path | None:
    """Return the file of annotations beside a slide that has its name; None without one."""
    for ending in ANNOTATION_ENDINGS:
        path = slide.path.with_suffix(ending)
        if path.is_file():
            return path
    return None


def write_manifest(slides: Iterable[AnnotatedSlide], path: Path) -> Path:
    """Write the table that the recipe's data source "slides" reads.

    Raises
    ------
    ParameterError
        When no slide is listed, or one lacks its annotations or its patient.
    """
    listed = list(slides)
    if not listed:
        raise ParameterError("No slide is listed: add slides with their annotations.")
    for each in listed:
        if not each.annotations.is_file():
            raise ParameterError(f"{each.file.name} has no annotations: choose their file.")
        if not each.patient.strip():
            raise ParameterError(
                f"{each.file.name} has no patient: slides of one patient are never learnt from "
                "and checked on, so every patient needs a name, such as a number."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "annotations", "patient"])
        writer.writerows([each.file, each.annotations, each.patient.strip()] for each in listed)
    return path
