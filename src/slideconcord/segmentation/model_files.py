"""Model folders on disk: finding, checking, saving, and taking in checkpoints of others."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from slideconcord.errors import ModelError, OutputError
from slideconcord.segmentation.checkpoint import read_checkpoint, read_safetensors
from slideconcord.segmentation.networks import build
from slideconcord.segmentation.spec import (
    SPEC_FILE,
    WEIGHTS_FILE,
    ModelSpec,
    read_spec,
    write_spec,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

_log = logging.getLogger(__name__)
_BUNDLED = Path(__file__).parent / "models"
_MOST_NAMED = 6
_TRAINED_NEEDS = ("torch", "segmentation_models_pytorch", "safetensors")


def user_models() -> Path:
    """Return the folder where a user's own models are installed."""
    return platformdirs.user_data_path("slideconcord", appauthor=False) / "models"


def find_models() -> dict[str, Path]:
    """Return name -> folder of every bundled and installed model; a user's own win."""
    return {
        folder.name: folder
        for home in (_BUNDLED, user_models())
        if home.is_dir()
        for folder in sorted(home.iterdir())
        if (folder / SPEC_FILE).is_file()
    }


def default_model() -> str:
    """Return the name of the model to take when nobody chose one.

    The trained one, where the libraries that it runs on are installed.
    """
    there = all(find_spec(name) for name in _TRAINED_NEEDS)
    return "colon-epithelium" if there else "stain-density"


def list_models() -> list[ModelSpec]:
    """Return the description of every model at hand; one that cannot be read is logged."""
    specs = []
    for folder in find_models().values():
        try:
            specs.append(read_spec(folder))
        except ModelError as error:
            _log.warning("left out: %s", error)
    return specs


def model_folder(name_or_folder: str | Path) -> Path:
    """Return the folder of a model.

    Raises
    ------
    ModelError
        When there is none; the text lists the known names.
    """
    known = find_models()
    if str(name_or_folder) in known:
        return known[str(name_or_folder)]
    folder = Path(name_or_folder)
    if (folder / SPEC_FILE).is_file():
        return folder
    raise ModelError(
        f"No model {str(name_or_folder)!r}: it is no folder with {SPEC_FILE}, "
        f"and the known names are {', '.join(known) or 'none'}.",
        str(name_or_folder),
    )


def load_weights(module: nn.Module, spec: ModelSpec, folder: Path) -> None:
    """Fill ``module`` with the weights in ``folder``, every key and shape checked.

    Raises
    ------
    ModelError
        When the file is absent, damaged, or of another architecture.
    """
    state = _checked_weights(spec, folder)
    check_architecture(module, spec)
    check_state(module, state, spec)
    module.load_state_dict(state)


def model_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights in a model folder, by name.

    Raises
    ------
    ModelError
        When the file is absent, damaged, or not the one that the model names.
    """
    return _checked_weights(read_spec(folder), folder)


def _checked_weights(spec: ModelSpec, folder: Path) -> dict[str, Tensor]:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"Model {spec.name!r} has no {WEIGHTS_FILE} in {folder}.", spec.name)
    if (found := _sha256(path)) != spec.weights_sha256:
        raise ModelError(
            f"The weights of model {spec.name!r} are not those its {SPEC_FILE} names "
            f"(SHA-256 {found[:12]}..., not {str(spec.weights_sha256)[:12]}...). "
            "The file is damaged or was exchanged: get the model again.",
            spec.name,
        )
    return read_safetensors(path, spec.name)


def save_model(
    folder: Path, spec: ModelSpec, state: Mapping[str, Tensor], *, overwrite: bool = False
) -> ModelSpec:
    """Write a model folder, whole or not at all; return the spec with its weights' SHA-256.

    Raises
    ------
    OutputError
        When the folder exists and ``overwrite`` is False, or cannot be written.
    """
    from safetensors.torch import save

    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise OutputError(f"{folder} exists. Choose another place or overwrite it.", folder)
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        # Tensors that share storage or are views cannot be stored as such.
        tensors = {key: tensor.detach().cpu().clone().contiguous() for key, tensor in state.items()}
        # save_file would leave a file that only its owner may read.
        (partial / WEIGHTS_FILE).write_bytes(save(tensors))
        spec = spec.changed(weights_sha256=_sha256(partial / WEIGHTS_FILE))
        write_spec(spec, partial)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OutputError(f"{folder} cannot be written: {error}.", folder) from error
    return spec


def import_checkpoint(
    path: Path,
    spec: ModelSpec,
    folder: Path | None = None,
    *,
    rename: Callable[[str], str] | None = None,
    overwrite: bool = False,
) -> ModelSpec:
    """Turn somebody's checkpoint into a model folder, without running any code in it.

    Weights are kept as float32, whatever the checkpoint holds.

    Parameters
    ----------
    path
        ``.pt``, ``.pth``, ``.ckpt``, ``.tar`` (read with ``weights_only=True``) or
        ``.safetensors``.
    spec
        What the model is; its architecture decides which keys and shapes must be there.
    folder
        Where to write; by default among the user's models, under the spec's name.
    rename
        Applied to every key after prefixes such as ``module.`` are gone; by default what the
        architecture itself knows of other spellings of its keys.

    Raises
    ------
    ModelError
        When the file holds anything but plain tensors, or does not fit the architecture; the
        text lists the differences.
    OutputError
        When the folder exists or cannot be written.
    """
    path = Path(path)
    state = read_checkpoint(path, spec.name)
    module: Any = build(spec)
    if not hasattr(module, "state_dict"):
        raise ModelError(f"{spec.architecture} has no weights to import.", spec.name)
    check_architecture(module, spec)
    state = _without_prefix(state, set(module.state_dict()))
    if rename is None:
        rename = getattr(module, "present_key", str)
    state = _renamed(state, rename, spec)
    check_state(module, state, spec)
    _check_finite(state, spec)
    state = {key: t.float() if t.is_floating_point() else t for key, t in state.items()}
    return save_model(folder or user_models() / spec.name, spec, state, overwrite=overwrite)


def check_architecture(module: nn.Module, spec: ModelSpec) -> None:
    """Refuse an architecture whose number of parameters is not the one the spec names."""
    count = sum(parameter.numel() for parameter in module.parameters())
    if spec.parameter_count not in (None, count):
        raise ModelError(
            f"{spec.architecture} was built with {count:,} parameters, but model {spec.name!r} "
            f"has {spec.parameter_count:,}. Another version of timm or "
            "segmentation-models-pytorch may be needed.",
            spec.name,
        )


def check_state(module: nn.Module, state: Mapping[str, Any], spec: ModelSpec) -> None:
    """Refuse weights whose keys, shapes or kinds of number differ from the network's."""
    wanted = module.state_dict()
    faults = [
        *_named("missing", [key for key in wanted if key not in state]),
        *_named("unknown", [key for key in state if key not in wanted]),
        *_named(
            "of another shape",
            [
                f"{key} {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
                for key, tensor in wanted.items()
                if key in state and state[key].shape != tensor.shape
            ],
        ),
        *_named(
            "of another kind",
            [
                f"{key} {state[key].dtype}"
                for key, tensor in wanted.items()
                if key in state
                and state[key].dtype.is_floating_point != tensor.dtype.is_floating_point
            ],
        ),
    ]
    if faults:
        raise ModelError(
            f"The weights do not fit {spec.architecture} of model {spec.name!r}: "
            f"{'; '.join(faults)}.",
            spec.name,
        )


def _named(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
    return [f"{len(keys)} {what}: {', '.join(keys[:_MOST_NAMED])}{more}"]


def _without_prefix(state: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Take off what wrappers such as DataParallel or Lightning put before every key."""
    for prefix in ("module.", "model.", "net.", "network."):
        if all(key.startswith(prefix) for key in state) and not wanted & set(state):
            state = {key[len(prefix) :]: tensor for key, tensor in state.items()}
    return state


def _renamed(
    state: dict[str, Tensor], rename: Callable[[str], str], spec: ModelSpec
) -> dict[str, Tensor]:
    """Give every key its present spelling; two keys that become one are refused."""
    found: dict[str, str] = {}
    for key in state:
        if (other := found.setdefault(rename(key), key)) != key:
            raise ModelError(f"{other} and {key} name the same weights twice.", spec.name)
    return {name: state[key] for name, key in found.items()}


def _check_finite(state: Mapping[str, Tensor], spec: ModelSpec) -> None:
    import torch

    broken = [key for key, tensor in state.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ModelError(
            f"The weights hold values that are no numbers: {'; '.join(_named('keys', broken))}. "
            "The file is damaged, or training failed: get another.",
            spec.name,
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
