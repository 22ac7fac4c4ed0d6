"""Two compilers in one process: the graphics driver's and PyTorch's."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec


def keep_compilers_apart() -> None:
    """Load triton, which PyTorch will ask for, bound to the LLVM that it brings along.

    A software OpenGL driver brings its own LLVM. Once a window is open, triton would be bound to
    that one and the process would die of it (Mesa's llvmpipe with triton 3).
    """
    if not hasattr(os, "RTLD_DEEPBIND") or "triton" in sys.modules or find_spec("triton") is None:
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        with suppress(ImportError):  # PyTorch does without one that cannot be loaded
            import_module("triton._C.libtriton")
    finally:
        sys.setdlopenflags(flags)
