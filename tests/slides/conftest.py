from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slideconcord.slides import Slide, open_slide


@pytest.fixture
def tiny_slide(tiny_slide_path: Path) -> Iterator[Slide]:
    with open_slide(tiny_slide_path) as slide:
        yield slide
