"""Tensors out of other people's files: no code in them runs, and what is damaged is refused."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.errors import ModelError, first_sentence

if TYPE_CHECKING:
    from torch import Tensor

# Where training programs keep the weights inside a checkpoint.
_STATE_KEYS = ("state_dict", "model_state_dict", "network_state", "model_state", "model", "state")
# What PyTorch raises for bytes that are no checkpoint, seen by damaging some.
_DAMAGE = (
    RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


def read_checkpoint(path: Path, model: str = "") -> dict[str, Tensor]:
    """Return the weights in a ``.safetensors`` or a file of ``torch.save``, key to tensor.

    A checkpoint may hold more than weights (the optimiser, the step); averaged weights
    (``network_state_ema``) are left alone, as in the pan-cancer paper.

    Raises
    ------
    ModelError
        When there is no such file, it is damaged, or holds anything that could run code.
    """
    if not path.is_file():
        raise ModelError(f"{path} is no file: give the checkpoint to import.", model)
    if path.suffix == ".safetensors":
        return read_safetensors(path, model)
    return _state_in(_load(path, model), path, model)


def read_safetensors(path: Path, model: str = "") -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file.

    Raises
    ------
    ModelError
        When it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}.", model) from error


def step_of(path: Path) -> int | None:
    """Return the training step that a checkpoint's name ends with: ``model-state_step-500000``."""
    found = re.fullmatch(r".*-(\d+)", path.stem)
    return int(found[1]) if found else None


def _load(path: Path, model: str) -> Any:
    import torch

    try:
        _refuse_packed(path)
        with warnings.catch_warnings():
            # Of unusual pickles; what matters raises.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path.name} is refused: it is damaged, or holds more than tensors and could run "
            "code when opened. Ask for a safetensors file, or one saved from a state_dict.",
            model,
        ) from error
    except _DAMAGE as error:
        raise ModelError(
            f"{path.name} is no checkpoint of PyTorch, or only a part of one "
            f"({first_sentence(error)}). Download it again, and compare its size and checksum.",
            model,
        ) from error


def _refuse_packed(path: Path) -> None:
    """Refuse an archive that unpacks to more than it is: PyTorch never compresses."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError(f"it would unpack to {unpacked:,} bytes")


def _state_in(content: Any, path: Path, model: str) -> dict[str, Tensor]:
    import torch

    places = [content]
    if isinstance(content, Mapping):
        places += [content[key] for key in _STATE_KEYS if key in content]
    for place in places:
        tensors = place if isinstance(place, Mapping) else {}
        if tensors and all(isinstance(value, torch.Tensor) for value in tensors.values()):
            return {str(key): value for key, value in tensors.items()}
    keys = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
    raise ModelError(
        f"{path.name} holds no weights where they are looked for ({', '.join(_STATE_KEYS)}); "
        f"it holds: {keys}.",
        model,
    )
