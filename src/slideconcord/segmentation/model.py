"""A model ready to run: its description, its network, and one call from RGB to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from operator import contains
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from slideconcord.errors import ModelError, ParameterError
from slideconcord.geometry import Box
from slideconcord.segmentation.context import LEVELS, padded_shape
from slideconcord.segmentation.model_files import (
    find_models,
    import_checkpoint,
    list_models,
    load_weights,
    model_folder,
    save_model,
)
from slideconcord.segmentation.networks import build
from slideconcord.segmentation.rotations import RotatedFunction
from slideconcord.segmentation.spec import ModelSpec, read_spec

__all__ = [
    "Model",
    "ModelSpec",
    "find_models",
    "import_checkpoint",
    "list_models",
    "load_model",
    "save_model",
]

Tiles = NDArray[np.uint8]


class Runner(Protocol):
    """What computes: a plain function or a torch network."""

    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def module(self) -> Any: ...
    def moved(self, device: str, precision: str, engine: str, /) -> Runner: ...
    def rotated(self) -> Runner: ...
    def probabilities(self, tiles: Tiles) -> NDArray[np.float32]: ...
    def begin(self, tiles: Tiles) -> Callable[[], NDArray[np.uint8]]: ...


class FunctionRunner:
    """A plain function (y, x, 3) uint8 -> (class, y, x) float32, tile after tile.

    Where the spec has a context, what it is given is (level, y, x, 3).
    """

    device = "cpu"
    precision = "fp32"
    engine = "eager"
    module = None

    def __init__(self, function: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> None:
        self._function = function

    def moved(self, device: str, precision: str, engine: str) -> FunctionRunner:
        return self

    def rotated(self) -> FunctionRunner:
        is_rotated = isinstance(self._function, RotatedFunction)
        return self if is_rotated else FunctionRunner(RotatedFunction(self._function))

    def probabilities(self, tiles: Tiles) -> NDArray[np.float32]:
        return np.stack([np.asarray(self._function(tile), np.float32) for tile in tiles])

    def begin(self, tiles: Tiles) -> Callable[[], NDArray[np.uint8]]:
        # One at a time: the float image of a tile may take a hundred MB.
        done = np.stack([_quantised(np.asarray(self._function(tile))) for tile in tiles])
        return lambda: done


def _quantised(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = np.empty(scores.shape, np.uint8)
    for rows in range(0, scores.shape[1], 256):
        band = scores[:, rows : rows + 256] * np.float32(255)
        # Conversion cuts off the fraction, which is the floor of what is not negative.
        levels[:, rows : rows + 256] = np.clip(band, 0, 255, out=band)
    return levels


class Model:
    """A model that runs. Made by `load_model`, or from any function by `from_function`."""

    def __init__(self, spec: ModelSpec, runner: Runner) -> None:
        self.spec = spec
        self._runner = runner

    @classmethod
    def from_function(
        cls, spec: ModelSpec, function: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    ) -> Model:
        """Wrap a function from RGB (y, x, 3) uint8 to probabilities (class, y, x) in 0..1.

        Where the spec has a context, the function gets (level, y, x, 3): the tile, its context.
        The spec's version must tell it from other functions: a run that finds tiles of the same
        spec in its folder takes them for its own.
        """
        return cls(spec, FunctionRunner(function))

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def hash(self) -> str:
        """SHA-256 over the weights and everything else that changes a pixel."""
        return self.spec.hash

    @property
    def device(self) -> str:
        return self._runner.device

    @property
    def precision(self) -> str:
        """fp32, bf16 or fp16: what the network's arithmetic runs in."""
        return self._runner.precision

    @property
    def engine(self) -> str:
        """What executes the network's layers: see `PredictOptions`."""
        return self._runner.engine

    @property
    def network(self) -> Any:
        """The torch network that runs; None for a plain function."""
        return self._runner.module

    def on(self, device: str = "auto", precision: str = "auto", engine: str = "eager") -> Model:
        """Return the model on another device or by another engine; defaults keep it as it is."""
        kept = ("auto", self.device), ("auto", self.precision), ("eager", self.engine)
        if all(map(contains, kept, (device, precision, engine))):
            return self
        device = self.device if device == "auto" else device
        return Model(self.spec, self._runner.moved(device, precision, engine))

    def rotated(self) -> Model:
        """Return the model averaged over four turns of each image: see `PredictOptions.tta`."""
        return Model(self.spec, self._runner.rotated())

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return probabilities (class, y, x) float32 of an image (y, x, 3) uint8.

        A model that sees a tile's context takes what the image has of it, and white beyond; or
        give tile and context as (level, y, x, 3).

        Raises
        ------
        ParameterError
            When the image is of another shape or dtype.
        ModelError
            When memory does not suffice.
        """
        return self.predict_batch(np.asarray(rgb)[None])[0]

    def predict_batch(self, tiles: Tiles) -> NDArray[np.float32]:
        """Return probabilities (n, class, y, x) of tiles (n, y, x, 3) uint8.

        Tiles with their context are (n, level, y, x, 3).
        """
        return self._checked(self._runner.probabilities(self._tiles(tiles)), tiles.shape)

    def quantise_batch(self, tiles: Tiles) -> NDArray[np.uint8]:
        """Return floor(255 p) as (n, class, y, x) uint8 of tiles (n, y, x, 3) uint8."""
        return self.begin_batch(tiles)()

    def begin_batch(self, tiles: Tiles) -> Callable[[], NDArray[np.uint8]]:
        """Begin `quantise_batch`; the returned call waits for the result and gives it.

        On a GPU the next batch can begin meanwhile. Where one tile does not fit into memory
        this raises `ModelMemoryError`.
        """
        finish = self._runner.begin(self._tiles(tiles))
        # Not the tiles themselves: they may take hundreds of MB, and are needed no more.
        shape = tiles.shape
        return lambda: self._checked(finish(), shape)

    def _tiles(self, tiles: Tiles) -> Tiles:
        """Return what the runner takes: with context where the network sees one."""
        context = self.spec.context
        whole = context is not None and tiles.ndim == 5 and tiles.shape[1] == LEVELS
        fits = tiles.dtype == np.uint8 and (tiles.ndim == 4 or whole)
        if not fits or tiles.shape[-1] != 3 or not tiles.size:
            both = "" if context is None else ", or with its context (2, y, x, 3)"
            raise ParameterError(
                f"Model {self.name!r} takes RGB (y, x, 3){both} uint8, "
                f"not {tiles.shape[1:]} {tiles.dtype}."
            )
        if context is None or whole:
            return tiles
        box = Box(0, 0, *tiles.shape[1:3])
        padded = padded_shape(box.shape, self.spec.input_multiple)
        return np.stack([np.stack([tile, context.around(tile, box, padded)]) for tile in tiles])

    def _checked(self, scores: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        wanted = (shape[0], len(self.spec.classes), *shape[-3:-1])
        if scores.shape != wanted:
            raise ModelError(
                f"Model {self.name!r} answered with the shape {scores.shape[1:]} "
                f"where (class, y, x) = {wanted[1:]} belongs.",
                self.name,
            )
        return scores


def load_model(name_or_folder: str | Path, device: str = "auto", precision: str = "auto") -> Model:
    """Load a model by the name of a bundled or installed one, or from its folder.

    Parameters
    ----------
    name_or_folder
        A name that `list_models` gives, or a folder with ``model.json`` (and
        ``weights.safetensors``).
    device
        ``"auto"`` takes CUDA, then MPS, then the CPU; or ``"cpu"``, ``"cuda:1"``, ``"mps"``.
    precision
        ``"auto"``: see `choose_precision`.

    Raises
    ------
    ModelError
        When no such model exists, it is damaged, or the device is not there.
    """
    folder = model_folder(name_or_folder)
    spec = read_spec(folder)
    network = build(spec)
    if spec.weights_sha256 is None and not hasattr(network, "load_state_dict"):
        return Model.from_function(spec, network)
    module: Any = network
    load_weights(module, spec, folder)
    from slideconcord.segmentation.torch_runner import TorchRunner

    return Model(spec, TorchRunner(module, spec, device, precision))
