"""What a model says of itself: ``model.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)

from slideconcord.errors import ModelError
from slideconcord.geometry import LARGEST_MPP, SMALLEST_MPP
from slideconcord.provenance import fingerprint_json
from slideconcord.segmentation.context import LEVELS, Context

SPEC_FILE, WEIGHTS_FILE = "model.json", "weights.safetensors"

# Safe as a folder name everywhere.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
# Everything that changes a pixel of the result; names, licences and thresholds do not.
_PIXEL_FIELDS = {
    "version",
    "architecture",
    "parameters",
    "mpp",
    "mean",
    "std",
    "input_multiple",
    "pad_value",
    "context",
    "classes",
    "activation",
    "weights_sha256",
}


class ModelSpec(BaseModel):
    """A model without its weights; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    format: Literal["slideconcord-model-1"] = "slideconcord-model-1"
    name: Name
    version: str
    description: str = ""
    architecture: str
    """A name in `NETWORKS`."""
    parameters: dict[str, JsonValue] = {}
    """What the architecture needs to be built, such as the encoder."""
    mpp: Annotated[float, Field(ge=SMALLEST_MPP, le=LARGEST_MPP)]
    """Pixel size of the input, µm."""
    tile_px: Annotated[int, Field(ge=16)]
    """Side of a tile. Networks with global pooling answer differently on other sizes."""
    overlap_px: Annotated[int, Field(ge=0)]
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from red, green, blue on the scale 0 to 1."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    input_multiple: Annotated[int, Field(ge=1)] = 1
    """Input sides are padded to a multiple of this, evenly on both sides."""
    pad_value: Annotated[int, Field(ge=0, le=255)] = 0
    """The grey level of that padding, before normalisation."""
    context: Context | None = None
    """The wider picture that the network sees besides each tile; None when it sees none."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    target: str = ""
    """The class that low and high act on; the last one when not given."""
    activation: Literal["softmax", "sigmoid", "none"]
    """What makes probabilities of the network's output; none when it gives them itself."""
    low: Fraction = 1 / 3
    high: Fraction = 0.9
    licence: str
    training_data: str
    credit: str = ""
    parameter_count: int | None = None
    """How many parameters the built architecture must have, where that is known."""
    weights_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """None for an architecture that has no weights."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.overlap_px >= self.tile_px:
            raise ValueError(f"overlap_px {self.overlap_px} is not below tile_px {self.tile_px}")
        if min(self.std) <= 0:
            raise ValueError(f"std {self.std} holds a value that is not positive")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes {self.classes} name one class twice")
        if self.target and self.target not in self.classes:
            raise ValueError(f"target {self.target!r} is none of the classes {self.classes}")
        return self

    @property
    def target_class(self) -> str:
        return self.target or self.classes[-1]

    @property
    def levels(self) -> int:
        """How many pictures of a place the network sees: the tile, and its context if any."""
        return 1 if self.context is None else LEVELS

    @property
    def hash(self) -> str:
        """SHA-256 over the weights and everything else that changes a pixel of the result."""
        fields = self.model_dump(mode="json", include=_PIXEL_FIELDS)
        if self.context is None:
            del fields["context"]  # models that never had one keep their hash
        return fingerprint_json(fields)

    def changed(self, **fields: Any) -> ModelSpec:
        """Return a copy with other values, checked like a new one.

        Raises
        ------
        ModelError
            When the values do not fit.
        """
        return make_spec({**self.model_dump(), **fields}, self.name)


def make_spec(fields: dict[str, Any], name: str = "") -> ModelSpec:
    """Check ``fields`` and return the spec they make.

    Raises
    ------
    ModelError
        When a field is missing, unknown or out of range; the text names each.
    """
    try:
        return ModelSpec.model_validate(fields)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'fields'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ModelError(f"The description of model {name!r} is wrong: {faults}.", name) from error


def read_spec(folder: Path) -> ModelSpec:
    """Read ``model.json`` of a model folder.

    Raises
    ------
    ModelError
        When it is absent, no JSON, or says something impossible.
    """
    path = folder / SPEC_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{folder} is no model folder: {SPEC_FILE} cannot be read ({error.strerror}).",
            folder.name,
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}.", folder.name) from error
    if not isinstance(fields, dict):
        raise ModelError(f"{path} holds no JSON object.", folder.name)
    return make_spec(fields, folder.name)


def write_spec(spec: ModelSpec, folder: Path) -> None:
    """Write ``model.json`` into a folder."""
    text = spec.model_dump_json(indent=2) + "\n"
    (folder / SPEC_FILE).write_text(text, encoding="utf-8")
