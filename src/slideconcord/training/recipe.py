"""A recipe: everything that makes a model, in one YAML file that reads from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from slideconcord.errors import ParameterError
from slideconcord.provenance import fingerprint_json
from slideconcord.segmentation.context import Context
from slideconcord.segmentation.model_files import model_folder
from slideconcord.segmentation.networks import NETWORKS, SEES_CONTEXT, TAKES_STAINS_APART
from slideconcord.segmentation.spec import read_spec
from slideconcord.training.augment.chain import Augment, make_augment
from slideconcord.training.changes import with_change, with_value
from slideconcord.training.data.balance import BALANCES, Balance
from slideconcord.training.data.folds import FoldBy
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.sources import SOURCES, Data
from slideconcord.training.data.tile import Grid, TileSource
from slideconcord.training.data.tile_labels import TileLabels
from slideconcord.training.initialise import INITIALISATIONS
from slideconcord.training.learner import MakesObjective
from slideconcord.training.losses import LOSSES, Loss
from slideconcord.training.multi_level import MultiLevel
from slideconcord.training.objectives import OBJECTIVES
from slideconcord.training.optimisers import OPTIMISERS, SCHEDULES, MakesOptimiser, Schedule
from slideconcord.training.separation import StainSeparation
from slideconcord.training.settings import make_part, read_settings, unknown
from slideconcord.yaml_files import read_yaml

BUNDLED = Path(__file__).parent / "recipes"

Whole = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = str | dict[str, Any]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class DataSettings:
    """Which tiles, and how often each."""

    source: Part
    """A name in SOURCES with its settings."""
    mpp: Annotated[float, Field(gt=0)]
    """Pixel size of the tiles, µm."""
    tile_px: Annotated[int, Field(ge=16)]
    """Side of a tile, pixels."""
    overlap_px: Annotated[int, Field(ge=0)] = 0
    val: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the tiles to check on, where the data do not say which."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the tiles to keep for testing, likewise."""
    scanners: tuple[str, ...] = ()
    """Only tiles of these scanners are learnt from and checked on; of all when empty."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Cut the patients into so many folds, each with its share of every scanner."""
    fold_by: FoldBy = "patient"
    """Or deal the scanners instead: who is tested on was seen by no scanner that is learnt from."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which of the folds, counted from 0, is held out: neither learnt from nor checked on."""
    ignore: tuple[str, ...] = ()
    """Labels that are not learnt from."""
    tile_labels: Annotated[float, Field(gt=0, le=1)] | None = None
    """A tile has one label, that of the last class that covers this share of it; when None every
    pixel has its own."""
    most_background: Share = 1.0
    """Tiles without the target class, and with at least this share of the first, are left out."""
    balance: Part = "none"
    """A name in BALANCES."""
    context: Context | None = None
    """The wider picture that goes with each tile, for networks that see one."""

    @property
    def grid(self) -> Grid:
        return Grid(self.mpp, self.tile_px, self.overlap_px, self.context)


@dataclass(frozen=True)
class NetworkSettings:
    """The network, before it has learnt anything."""

    architecture: str
    """A name in `segmentation.networks.NETWORKS`."""
    parameters: dict[str, Any] = field(default_factory=dict)
    start: str = "as-built"
    """A name in INITIALISATIONS."""
    weights: str = ""
    """A model, by name or folder, whose weights are taken over where name and shape agree."""


@dataclass(frozen=True)
class TrainSettings:
    """How long, and what is kept."""

    steps: Whole
    """Batches to learn from."""
    batch: Whole
    """Tiles of a batch, over all devices."""
    check_every: Whole
    """Steps between two checks on tiles that are not learnt from; the run can go on from each."""
    log_every: Whole = 10
    """Steps of which the mean loss makes one line of metrics.csv."""
    check_tiles: int | None = None
    """At most so many tiles are checked, evenly chosen; all when None."""
    keep: Literal["best", "last"] = "best"
    """Which weights become the model: of the best check, or of the last step."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the running mean of the weights, which is then checked and kept; none when 0."""
    patience: int | None = None
    """Stop after so many checks without a better one; never when None."""


@dataclass(frozen=True)
class ModelSettings:
    """What the finished model says of itself, beyond what follows from the rest."""

    licence: str
    training_data: str
    version: str = "1"
    description: str = ""
    credit: str = ""
    tile_px: int | None = None
    """Side of a tile at inference; that of training when None."""
    overlap_px: int | None = None
    """A quarter of the tile when None."""
    half: bool = False
    """Whether the weights are stored in 16 bits: half the size, read as if they were 32."""
    input_multiple: Whole = 32
    pad_value: int = 255
    low: Share = 1 / 3
    high: Share = 0.9


_SECTIONS: dict[str, type] = {
    "data": DataSettings, "network": NetworkSettings, "train": TrainSettings,
    "model": ModelSettings,
}  # fmt: skip


@dataclass(frozen=True)
class Phase:
    """One of several trainings, each of which labels data for the next."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    settings: dict[str, Any] = field(default_factory=dict)
    """What differs from the recipe, as ``train.batch: 16``."""
    epochs: Annotated[float, Field(gt=0)] | None = None
    """How often the tiles are shown; ``train.steps`` when None."""
    pseudo_scanners: tuple[str, ...] = ()
    """Scanners whose tiles the model of the phase before labels; the others' labels are kept."""
    threshold: Share = 0.9
    """How probable a class must be for it to label; pixels below are not learnt from."""
    continues: bool = False
    """Whether to begin with the weights of the phase before, instead of anew."""


@dataclass(frozen=True)
class Recipe:
    """A recipe as read: plain settings, checked. Its parts are made from them when first used."""

    name: str
    """Becomes the model's name."""
    classes: dict[str, tuple[str, ...]]
    """Class -> labels of the data; background first, what is to be found last."""
    data: DataSettings
    network: NetworkSettings
    loss: dict[str, Any]
    """Names in LOSSES; their weighted sum is made small."""
    optimiser: Part
    schedule: Part
    train: TrainSettings
    model: ModelSettings
    seed: Annotated[int, Field(ge=0)] = 0
    standardise: Literal["measure"] | dict[Literal["mean", "std"], Colour] = "measure"
    """Mean and standard deviation of red, green and blue, on the scale 0 to 1; or measured."""
    augment: tuple[Part, ...] = ()
    objective: Part = "supervised"
    """A name in OBJECTIVES: what is made of a batch and the losses."""
    phases: tuple[Phase, ...] = ()
    """Trainings one after the other; the model of the last is the result."""

    def in_phase(self, phase: Phase) -> Recipe:
        """Return the recipe of one phase.

        Raises
        ------
        ParameterError
            When what the phase changes does not fit.
        """
        values: dict[str, Any] = {**asdict(self), "phases": ()}
        for key, value in phase.settings.items():
            values = with_value(values, key, value, key)
        return make_recipe(values, f"phases: {phase.name}")

    @cached_property
    def labels(self) -> Labels:
        return Labels(self.classes, self.data.ignore)

    @cached_property
    def source(self) -> Data:
        return make_part(SOURCES, self.data.source, "data.source")

    @cached_property
    def balance(self) -> Balance:
        return make_part(BALANCES, self.data.balance, "data.balance")

    @cached_property
    def augmentation(self) -> Augment:
        return make_augment(self.augment)

    @cached_property
    def losses(self) -> dict[str, Loss]:
        return {
            name: make_part(LOSSES, {name: parameters}, "loss")
            for name, parameters in self.loss.items()
        }

    @cached_property
    def optimiser_settings(self) -> MakesOptimiser:
        return make_part(OPTIMISERS, self.optimiser, "optimiser")

    @cached_property
    def rates(self) -> Schedule:
        return make_part(SCHEDULES, self.schedule, "schedule")

    @cached_property
    def objective_settings(self) -> MakesObjective:
        return make_part(OBJECTIVES, self.objective, "objective")

    def open(self) -> TileSource:
        """Open the data.

        Raises
        ------
        TrainingError, ParameterError, SlideError, AnnotationError
            When they are not as the source wants them; see there.
        """
        source, least = self.source.open(self.data.grid, self.labels), self.data.tile_labels
        return source if least is None else TileLabels(source, least)

    @property
    def opens(self) -> str:
        """SHA-256 of the settings on which it depends what `open` gives, but for the place."""
        data = self.to_json()["data"]
        names = ("source", "mpp", "tile_px", "overlap_px", "context", "ignore", "tile_labels")
        return fingerprint_json({"classes": self.classes, **{name: data[name] for name in names}})

    def to_json(self) -> dict[str, Any]:
        """Return all settings as plain values, defaults included; no path of this machine.

        Of a model to start from the folder's name is left; `starting_point` tells its hash.
        """
        values = asdict(self)
        for part in (values["data"]["source"], values["objective"]):
            _forget_places(part)
        values["network"]["weights"] = Path(self.network.weights).name
        return values

    def starting_point(self) -> dict[str, Any]:
        """Return the name and hash of the model whose weights are taken over; empty when none is.

        Raises
        ------
        ModelError
            When there is no such model.
        """
        if not self.network.weights:
            return {}
        spec = read_spec(model_folder(self.network.weights))
        return {"weights": {"name": spec.name, "hash": spec.hash}}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings that are not at their defaults; no place enters.

        So a setting that an update adds makes no other recipe until it is set.
        """
        values = self.to_json()
        told = _without_defaults(Recipe, values)
        for name, kind in _SECTIONS.items():
            told[name] = _without_defaults(kind, values[name])
        told["phases"] = [_without_defaults(Phase, phase) for phase in values["phases"]]
        return fingerprint_json(told)

    def check(self) -> None:
        """Make every part once, so that all that is wrong is known before any data are read."""
        if self.network.architecture not in NETWORKS:
            raise unknown("network.architecture:", self.network.architecture, NETWORKS)
        if self.network.start not in INITIALISATIONS:
            raise unknown("network.start:", self.network.start, INITIALISATIONS)
        if self.data.folds is not None and self.data.fold >= self.data.folds:
            raise ParameterError(
                f"data.fold {self.data.fold} is none of 0 to {self.data.folds - 1}: there are "
                f"{self.data.folds} folds, counted from 0."
            )
        if not self.loss:
            raise ParameterError(f"loss names none: choose of {', '.join(LOSSES)}.")
        multiple = self.model.input_multiple
        sides = [self.data.tile_px, *(g.size_px for g in self.augmentation.geometries
                                      if hasattr(g, "size_px"))]  # fmt: skip
        if bad := [side for side in sides if side % multiple]:
            raise ParameterError(
                f"{bad[0]} px is no multiple of model.input_multiple {multiple}, "
                "which the network needs: change data.tile_px or augment.crop."
            )
        for name in ("labels", "source", "balance", "losses", "optimiser_settings", "rates",
                     "objective_settings"):  # fmt: skip
            getattr(self, name)
        self._check_levels()
        self._check_stains()
        self._check_phases()

    def _check_levels(self) -> None:
        """Refuse data, network and objective that differ in whether there is a context."""
        has = {
            "data.context": self.data.context is not None,
            f"network.architecture {self.network.architecture}": self.network.architecture
            in SEES_CONTEXT,
            "objective multi-level": isinstance(self.objective_settings, MultiLevel),
        }
        if len(set(has.values())) > 1:
            with_, without = (
                [name for name, yes in has.items() if yes is is_] for is_ in (True, False)
            )
            raise ParameterError(
                f"{' and '.join(with_)} see two levels, {' and '.join(without)} one: give "
                "data.context, a network such as multi-level-unet and the objective multi-level "
                "together, or none of them."
            )

    def _check_stains(self) -> None:
        """Refuse to rebuild images from the stains of a network that predicts none."""
        able = self.network.architecture in TAKES_STAINS_APART
        if isinstance(self.objective_settings, StainSeparation) and not able:
            raise ParameterError(
                f"objective: stain-separation needs stains, and {self.network.architecture} takes "
                f"none apart: set network.architecture to {' or '.join(TAKES_STAINS_APART)}, or "
                "another objective."
            )

    def _check_phases(self) -> None:
        if self.phases and (self.phases[0].pseudo_scanners or self.phases[0].continues):
            raise ParameterError(
                f"phases: {self.phases[0].name} is the first: there is no model before it to "
                "label pseudo_scanners or to continue from."
            )
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ParameterError(f"phases: {', '.join(names)} name one phase twice.")
        for phase in self.phases:
            self.in_phase(phase)


def list_recipes() -> dict[str, Path]:
    """Return name -> file of the recipes that come with slideconcord."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.yaml"))}


def read_recipe(
    name_or_path: str | Path, changes: Iterable[str] = (), data: str | Path | None = None
) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name_or_path
        The name of a bundled recipe, or a YAML file.
    changes
        Settings to replace, as ``"train.steps=100"``; see `training.changes` for lists.
    data
        Where the data lie: becomes ``path`` of the recipe's source.

    Raises
    ------
    ParameterError
        When there is no such recipe, it is no YAML, or a key or value is wrong.
    """
    values, where = read_values("recipe", name_or_path, list_recipes(), changes)
    if data is not None:
        set_path(values, str(data))
    return make_recipe(values, where)


def read_values(
    what: str, name_or_path: str | Path, bundled: Mapping[str, Path], changes: Iterable[str]
) -> tuple[dict[str, Any], str]:
    """Return the values in a YAML file, bundled or not, with some replaced, and the file's name.

    Raises
    ------
    ParameterError
        When there is no such file, it is no YAML, or a change names no setting.
    """
    path = bundled.get(str(name_or_path), Path(name_or_path))
    if not path.is_file():
        raise unknown(f"The {what}", name_or_path, bundled)
    values = read_yaml(path, f"holds no keys and values: see the bundled {what}s")
    for change in changes:
        values = with_change(values, change)
    return values, path.name


def make_recipe(values: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Check plain settings and return the recipe they make.

    Raises
    ------
    ParameterError
        When a key or value is wrong; the text names it, and the nearest right key.
    """
    made = dict(values)
    for name, kind in _SECTIONS.items():
        if name in made:
            made[name] = read_settings(kind, made[name], name)
    made["phases"] = tuple(
        phase if isinstance(phase, Phase) else read_settings(Phase, phase, f"phases[{number}]")
        for number, phase in enumerate(made.get("phases") or (), 1)
    )
    recipe = read_settings(Recipe, made, where)
    recipe.check()
    return recipe


def _without_defaults(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {
        each.name: each.default if each.default_factory is MISSING else each.default_factory()
        for each in fields(kind)
    }
    return {name: value for name, value in values.items() if value != defaults[name]}


def _forget_places(part: Any) -> None:
    """Remove every ``path`` from the settings of a part and of its parts."""
    if isinstance(part, dict):
        part.pop("path", None)
    inner = part.values() if isinstance(part, dict) else part
    for each in inner if isinstance(part, dict | list | tuple) else ():
        _forget_places(each)


def set_path(values: dict[str, Any], path: str) -> None:
    """Say where the data of a recipe's source lie."""
    data = values.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    if isinstance(source, str):
        source = {source: {}}
    if not isinstance(source, dict) or len(source) != 1:
        return  # `make_recipe` says what is wrong with it
    ((name, settings),) = source.items()
    kind: Any = SOURCES.get(name)
    if kind is not None and "path" not in {known.name for known in fields(kind)}:
        raise ParameterError(f"--data {path}: this recipe's data are {name} and lie nowhere.")
    values["data"] = {**data, "source": {name: {**(settings or {}), "path": path}}}  # type: ignore[dict-item]
