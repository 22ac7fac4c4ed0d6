"""Registration of virtual scans whose truth is known, and of scans that do not belong together."""

from __future__ import annotations

import numpy as np
import pytest

import slideconcord as sc
from slideconcord.comparison.registration.planes import apply, matrix_of
from slideconcord.errors import ParameterError
from slideconcord.samples import SCANNERS, VirtualTissue, shipped_files


@pytest.fixture(scope="module")
def shipped():
    """Return the two shipped scans of one virtual tissue, by scanner."""
    files = {name: f for name in SCANNERS for f in shipped_files("colon-virtual-small")
             if f.name.endswith(f"{name}.ome.tiff")}  # fmt: skip
    slides = {name: sc.open_slide(file) for name, file in files.items()}
    yield slides
    for slide in slides.values():
        slide.close()


def true_points(tissue, *scanners):
    """Return the same tissue points as level-0 pixel centres of each scanner."""
    size = np.array([tissue.height_um, tissue.width_um])
    points = np.random.default_rng(3).uniform(0.1 * size, 0.9 * size, (500, 2))
    return [apply(matrix_of(s.affine(tissue)), points) - 0.5 for s in scanners]


def test_the_shipped_scans_lie_on_one_another(shipped):
    a, b = shipped["virtual-A"], shipped["virtual-B"]
    found = sc.register(b, a).require(b, a)
    assert (found.status, found.reason) == ("ok", "")
    scanners = SCANNERS["virtual-B"], SCANNERS["virtual-A"]
    on_b, on_a = true_points(VirtualTissue(seed=1, height_um=780.0, width_um=780.0), *scanners)
    off = np.hypot(*(found.to_fixed_px(on_b) - on_a).T) * a.mpp.y
    assert np.percentile(off, 90) < 0.2
    assert found.pose.rotation_deg == pytest.approx(-1.5, abs=0.02)
    assert found.quality.ncc > found.quality.ncc_null


def test_steps_come_one_by_one_and_can_be_left(shipped):
    steps = sc.register_steps(shipped["virtual-B"], shipped["virtual-A"])
    names = [next(steps).name for _ in range(3)]
    assert names[0] == "overview"
    steps.close()
    shipped["virtual-A"].read_region(0, sc.Box(0, 0, 8, 8))


def test_a_slide_on_itself_and_an_unknown_method_are_refused(shipped):
    a, b = shipped.values()
    with pytest.raises(ParameterError, match="same file twice"):
        sc.register(a, a)
    with pytest.raises(ParameterError, match="choose one of tiles, orb-affine"):
        sc.register(a, b, method="magic")
