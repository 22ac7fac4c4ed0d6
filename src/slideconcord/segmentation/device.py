"""Where a network computes, and how exactly."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from slideconcord.errors import ModelError, ParameterError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    ModelError
        When the device is unknown or not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((kind for kind, found in there.items() if found), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f"Device {name!r} is not known. Choose auto, cpu, cuda, cuda:0 ... or mps."
        ) from error
    if device.type != "cpu" and not there.get(device.type, False):
        raise ModelError(
            f"Device {name!r} was asked for, but this PyTorch ({torch.__version__}) finds none. "
            "Choose auto or cpu, or install a PyTorch made for it."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"Device {name!r} was asked for, but there are only {torch.cuda.device_count()} GPUs."
        )
    return device


def choose_precision(device: torch.device, name: str = "auto") -> Precision:
    """Return ``"fp32"``, ``"bf16"`` or ``"fp16"``: what the network's arithmetic runs in.

    ``"auto"`` takes bf16 where the device has instructions for it: GPUs that do, and processors
    with AVX512-BF16 or AMX; without them bf16 is emulated and slower than fp32. Other GPUs of
    NVIDIA get fp16, all else fp32.

    Raises
    ------
    ParameterError
        When the name is unknown, or fp16 is asked of a CPU.
    """
    import torch

    if name not in get_args(Precision):
        raise ParameterError(f"precision={name!r} is not known. Choose {_listed(Precision)}.")
    if name == "fp16" and device.type == "cpu":
        raise ParameterError("A CPU does not compute in fp16. Choose precision bf16 or fp32.")
    if name == "auto":
        if device.type != "cuda":
            return "bf16" if device.type == "cpu" and _has_fast_bf16() else "fp32"
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if name == "bf16" else "fp16" if name == "fp16" else "fp32"


@cache
def _has_fast_bf16() -> bool:
    """Whether this processor multiplies bf16 in hardware."""
    import torch

    # Absent in some versions and on some systems: fp32 is always right.
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, test, bool)() for test in tests)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell a lack of memory from other errors: only CUDA has a class of its own for it."""
    return any(text in str(error).lower() for text in _OUT_OF_MEMORY)


def _listed(literal: object) -> str:
    return ", ".join(map(str, get_args(literal)))
