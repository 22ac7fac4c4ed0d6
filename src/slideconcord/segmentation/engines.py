"""What executes a network's layers: PyTorch as it is, compiled by it, or OpenVINO."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

from slideconcord.errors import ModelError, ParameterError

if TYPE_CHECKING:
    from torch import Tensor, nn

Engine = Literal["eager", "compile", "openvino"]


def run_by(module: nn.Module, engine: str, device: str, precision: str) -> Any:
    """Return what calls ``module``'s layers on normalised images (n, 3, y, x).

    Parameters
    ----------
    module
        The network, on its device.
    engine
        ``"eager"``: PyTorch, layer by layer. ``"compile"``: ``torch.compile``, which takes minutes
        at the first tile of each batch size. ``"openvino"``: OpenVINO, on a CPU.
    device, precision
        Where and how exactly the network computes.

    Raises
    ------
    ParameterError
        When nobody knows the engine, or it does not run there.
    ModelError
        When OpenVINO is not installed.
    """
    if engine not in get_args(Engine):
        raise ParameterError(
            f"engine={engine!r} is not known. Choose {', '.join(get_args(Engine))}."
        )
    if engine == "eager":
        return module
    if engine == "compile":
        import torch

        # Tiles of a run all have one shape.
        return torch.compile(module, dynamic=False)
    if device != "cpu":
        raise ParameterError(f"engine 'openvino' computes on the CPU, not on {device}.")
    return OpenVinoNetwork(module, precision)


def is_compile_failure(error: BaseException) -> bool:
    """Tell what ``torch.compile`` raises, such as for want of a C++ compiler, from other errors."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))


class OpenVinoNetwork:
    """A torch network that OpenVINO runs; it is converted at the first tile of each shape."""

    def __init__(self, module: nn.Module, precision: str) -> None:
        import torch

        try:
            import openvino
        except ImportError as error:
            raise ModelError(
                "The engine 'openvino' is not installed. Run: pip install 'slideconcord[openvino]'"
            ) from error
        self._core: Any = openvino.Core()
        self._module = module
        self._settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled: dict[tuple[int, ...], Any] = {}

    def __call__(self, images: Tensor) -> Tensor:
        import torch

        shape = tuple(images.shape)
        if shape not in self._compiled:
            self._compiled[shape] = self._compile(images)
        # The answer lies in memory that the next call writes over.
        answer = self._compiled[shape](images.contiguous().numpy())[0].copy()
        return torch.from_numpy(answer)

    def _compile(self, images: Tensor) -> Any:
        # By the frontend itself: OpenVINO's own converter reports its use to its makers.
        import torch
        from openvino import PartialShape
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
            # TorchScript, which it goes through, is deprecated.
            warnings.simplefilter("ignore")
            decoder: Any = TorchScriptPythonDecoder(self._module, example_input=(images.clone(),))
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
        model.reshape({model.inputs[0]: PartialShape(list(images.shape))})
        return self._core.compile_model(model, "CPU", self._settings)
