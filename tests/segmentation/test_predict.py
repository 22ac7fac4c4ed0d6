"""Prediction: the map equals the whole image's, lies where it says, and fills in as it goes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import slideconcord as sc
from fake_slides import ArrayReader
from segmentation.predict_helpers import (
    OPTIONS,
    edgy,
    edgy_model,
    pixel_model,
    red_and_blue,
    spec_for,
)
from slideconcord.errors import ModelError, OutputError, ParameterError, SlideError
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.segmentation.blend import Blend
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.predict import PredictOptions, predict, predict_tiles
from slideconcord.segmentation.probability import open_probability
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.slides import Slide, TileCache


@pytest.fixture
def slide(tiny_slide_path: Path) -> Iterator[Slide]:
    with sc.open_slide(tiny_slide_path) as opened:
        yield opened


def fake_slide(path: Path, image: np.ndarray, **options: object) -> Slide:
    path.write_bytes(image.tobytes()[:1000])
    reader = ArrayReader([image], tile=(256, 256), **options)
    return Slide(path, reader, Mpp(0.5, 0.5), cache=TileCache(64 << 20))


def whole_image(slide: Slide, mpp: float) -> np.ndarray:
    return slide.read_grid(mpp, Box(0, 0, *slide.grid_shape(mpp)))


def test_equals_the_whole_image_for_a_network_of_single_pixels(slide: Slide, tmp_path: Path):
    result = predict(slide, pixel_model(), tmp_path / "out", tile_px=300, overlap_px=50)
    expected = np.floor(red_and_blue(whole_image(slide, 0.5)) * 255)
    np.testing.assert_array_equal(result.array("background"), expected[0])
    np.testing.assert_array_equal(result.array("tumour"), expected[1])
    assert result.complete
    assert not (tmp_path / "out" / "run.partial").exists()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["probability.zarr", "run.json"]


@pytest.mark.parametrize("size", [(300, 50), (512, 0), (701, 333), (2048, 64)])
def test_equals_the_blend_of_all_tiles_at_once(slide: Slide, tmp_path: Path, size: tuple[int, int]):
    result = predict(slide, edgy_model(), tmp_path, tile_px=size[0], overlap_px=size[1], batch=3)
    image = whole_image(slide, 0.5)
    grid = TileGrid(image.shape[:2], *size)
    tiles = {i: np.floor(edgy(image[grid.box(i).slices]) * 255) for i in range(len(grid))}
    merged = Blend(grid)(
        Box(0, 0, *grid.shape), {i: tile.astype(np.uint8) for i, tile in tiles.items()}
    )
    np.testing.assert_array_equal(result.arrays[0][:], merged)


def test_coarser_levels_are_means_of_four(slide: Slide, tmp_path: Path):
    result = predict(slide, edgy_model(), tmp_path)
    assert result.level_count == 2
    fine, coarse = (np.asarray(result.level(i), np.uint16) for i in range(2))
    assert coarse.shape == (750, 1000)
    four = fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]
    np.testing.assert_array_equal(coarse, (four + 2) // 4)


def test_a_constant_network_gives_a_constant_map(slide: Slide, tmp_path: Path):
    model = Model.from_function(
        spec_for(classes=("tumour",)), lambda rgb: np.full((1, *rgb.shape[:2]), 0.7, np.float32)
    )
    result = predict(slide, model, tmp_path, tile_px=333, overlap_px=111)
    assert all((np.asarray(level) == 178).all() for level in result.levels())


def test_the_map_knows_its_place(slide: Slide, tmp_path: Path):
    result = predict(slide, pixel_model(1.0), tmp_path)
    assert result.shape == (750, 1000)
    assert result.frame == Frame(0, 0, 2, 2)
    assert result.level_frame(0) == result.frame
    assert (result.mpp, result.slide_mpp) == (Mpp(1, 1), Mpp(0.5, 0.5))
    assert result.classes == ("background", "tumour")
    assert result.target == "tumour"
    assert result.slide_fingerprint == slide.fingerprint
    assert result.slide_bounds is None
    attributes = json.loads((result.path / ".zattrs").read_text())
    level = attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    assert level[0]["scale"] == [1, 1, 1]
    assert level[1]["translation"] == [0, 0.25, 0.25]


def test_a_box_is_part_of_the_whole_map(slide: Slide, tmp_path: Path):
    whole = predict(slide, pixel_model(1.0), tmp_path / "whole")
    part = predict(slide, pixel_model(1.0), tmp_path / "part", box=Box(101, 203, 400, 500))
    assert part.frame == Frame(100, 202, 2, 2)
    assert part.shape == (201, 251)
    np.testing.assert_array_equal(part.array(), whole.array()[50:251, 101:352])


def test_a_box_may_reach_beyond_the_slide_but_not_lie_beside_it(slide: Slide, tmp_path: Path):
    part = predict(slide, pixel_model(), tmp_path / "a", box=Box(-50, 1900, 100, 500))
    assert part.frame == Frame(0, 1900, 1, 1)
    assert part.shape == (50, 100)
    with pytest.raises(ParameterError, match=r"holds no pixel of tiny.tif.* 1500 x 2000"):
        predict(slide, pixel_model(), tmp_path / "b", box=Box(1500, 0, 10, 10))


def test_bounds_restrict_the_map_when_asked(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 256, (700, 800, 3), dtype=np.uint8)
    slide = fake_slide(tmp_path / "a.bin", image, bounds=Box(100, 40, 300, 200))
    part = predict(slide, pixel_model(), tmp_path / "part", within_bounds=True)
    whole = predict(slide, pixel_model(), tmp_path / "whole")
    assert part.slide_bounds == whole.slide_bounds == Box(100, 40, 300, 200)
    assert part.frame == Frame(100, 40, 1, 1)
    assert whole.shape == (700, 800)
    np.testing.assert_array_equal(part.array(), whole.array()[100:400, 40:240])


def test_a_slide_too_coarse_is_refused_before_anything_is_written(slide: Slide, tmp_path: Path):
    with pytest.raises(ParameterError, match=r"0.5 µm per pixel, but model 'double' needs 0.25"):
        predict_tiles(slide, pixel_model(0.25), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_slide_a_little_too_coarse_keeps_its_own_pixels(slide: Slide, tmp_path: Path):
    result = predict(slide, pixel_model(0.49), tmp_path)
    assert result.mpp == Mpp(0.5, 0.5)
    assert result.shape == (1500, 2000)


def test_the_nearest_tiles_come_first_and_the_focus_may_move(slide: Slide, tmp_path: Path):
    asked = []

    def focus() -> tuple[float, float] | None:
        asked.append(1)
        return (1400, 1900) if len(asked) < 4 else None

    options = PredictOptions(tile_px=300, overlap_px=50, readers=1)
    tiles = list(predict_tiles(slide, pixel_model(), tmp_path, options, focus=focus))
    assert tiles[0].index == len(tiles) - 1
    assert [tile.index for tile in tiles[3:6]] == [0, 1, 2]
    assert len(asked) >= len(tiles)


def test_progress_counts_up_to_one(slide: Slide, tmp_path: Path):
    tiles = list(predict_tiles(slide, pixel_model(), tmp_path, OPTIONS))
    assert [tile.done for tile in tiles] == list(range(1, tiles[0].total + 1))
    assert sorted(tile.index for tile in tiles) == list(range(tiles[0].total))
    assert tiles[-1].fraction == 1
    assert tiles[0].box_px == Box(0, 0, 420, 420)


def test_a_growing_map_can_be_read_and_becomes_the_finished_one(
    slide: Slide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("slideconcord.segmentation.pipeline._SHOW_S", 0.0)
    expected = np.floor(red_and_blue(whole_image(slide, 0.5)) * 255)[1]
    tiles = predict_tiles(slide, pixel_model(), tmp_path, OPTIONS)
    first = next(tiles)
    growing = open_probability(tmp_path)
    fine, coarse = growing.levels()
    assert not growing.complete
    # The tile lies in an unfinished chunk: it is shown all the same.
    np.testing.assert_array_equal(fine[first.box_px.slices], expected[first.box_px.slices])
    assert coarse[:150, :150].any()
    for _ in tiles:
        pass
    assert growing.complete
    assert growing.path.name == "probability.zarr"
    np.testing.assert_array_equal(fine[:], expected)
    assert growing.provenance["tiles"] == first.total


def test_damaged_tiles_are_marked_and_the_rest_goes_on(tmp_path: Path):
    image = np.random.default_rng(0).integers(1, 200, (600, 700, 3), dtype=np.uint8)
    slide = fake_slide(tmp_path / "a.bin", image, damaged=frozenset({(0, 0, 1), (0, 2, 2)}))
    result = predict(slide, pixel_model(), tmp_path / "out", tile_px=128, overlap_px=16)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["damaged_tiles"] == [[0, 0, 1], [0, 2, 2]]
    assert result.provenance["damaged_tiles"] == run["damaged_tiles"]
    expected = image[..., 2].copy()
    expected[:256, 256:512] = expected[512:, 512:] = 255
    np.testing.assert_array_equal(result.array(), expected)


def test_run_json_says_what_made_the_map(slide: Slide, tmp_path: Path):
    predict(slide, pixel_model(), tmp_path, tile_px=300, overlap_px=50)
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["slide"]["name"] == "tiny"
    assert run["slide"]["fingerprint"] == slide.fingerprint
    assert run["model"] == {"name": "double", "version": "1", "hash": pixel_model().hash}
    assert run["parameters"]["tile_px"] == 300
    assert run["parameters"]["precision"] == "fp32"
    assert run["tiles"] == len(TileGrid((1500, 2000), 300, 50))
    assert run["versions"]["slideconcord"] == sc.__version__
    assert str(tmp_path) not in json.dumps(run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile_px": 10}, "tile_px=10 is out of range: give 64 to 16384"),
        ({"batch": 0}, "batch=0 is out of range"),
        ({"device": "banana"}, "device='banana' is not known. Where to compute: auto"),
        ({"precision": "fp8"}, "precision='fp8' is not known. Choose auto, fp32"),
        ({"tile_px": 64, "overlap_px": 64}, "overlap_px 64 must be smaller than tile_px 64"),
        ({"tile_px": 64}, "overlap_px 100 must be smaller than tile_px 64"),
    ],
)
def test_options_out_of_range_are_refused(
    slide: Slide, tmp_path: Path, options: dict[str, object], message: str
):
    model = Model.from_function(spec_for(overlap_px=100), red_and_blue)
    with pytest.raises(ParameterError, match=message):
        predict(slide, model, tmp_path, **options)


def test_every_option_explains_itself():
    for name, option in PredictOptions.__dataclass_fields__.items():
        assert len(option.metadata["help"]) > 20, name


def test_another_tile_size_than_a_trained_models_own_warns(slide: Slide, tmp_path: Path):
    model = Model.from_function(spec_for(weights_sha256="0" * 64), red_and_blue)
    with pytest.warns(UserWarning, match="Tiles of 400 px are not the 300 px"):
        result = predict(slide, model, tmp_path, tile_px=400)
    assert result.provenance["notes"][0].startswith("Tiles of 400 px are not the 300 px")


def our_threads() -> list[str]:
    names = ("slideconcord-read", "slideconcord-compute", "slideconcord-write")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


def test_an_error_of_the_network_reaches_the_caller_and_keeps_finished_tiles(
    slide: Slide, tmp_path: Path
):
    calls = []

    def fails(rgb: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) > 5:
            raise ModelError("the network broke", "double")
        return red_and_blue(rgb)

    model = Model.from_function(spec_for(), fails)
    with pytest.raises(ModelError, match="the network broke"):
        list(predict_tiles(slide, model, tmp_path, OPTIONS))
    assert not our_threads()
    rest = list(predict_tiles(slide, pixel_model(), tmp_path, OPTIONS))
    assert len(rest) == rest[0].total - 5


def test_work_waits_for_who_asked_for_it(slide: Slide, tmp_path: Path):
    computed = []

    def counted(rgb: np.ndarray) -> np.ndarray:
        computed.append(1)
        return red_and_blue(rgb)

    options = PredictOptions(tile_px=64, overlap_px=8, readers=1)
    tiles = predict_tiles(slide, Model.from_function(spec_for(), counted), tmp_path, options)
    first = next(tiles)
    threading.Event().wait(1.0)
    assert first.total > 500
    assert len(computed) < 30
    tiles.close()
    assert not our_threads()


def test_opening_nothing_says_what_belongs_there(tmp_path: Path):
    with pytest.raises(OutputError, match=r"holds no probability map. Give the output folder"):
        open_probability(tmp_path)


def test_another_ome_zarr_is_no_probability_map(tmp_path: Path):
    from slideconcord.slides.ngff import create_pyramid

    create_pyramid(tmp_path / "a.zarr", (9, 9), channels=None, dtype="uint8", frame_scale_um=(1, 1))
    with pytest.raises(OutputError, match="an OME-Zarr, but no probability map"):
        open_probability(tmp_path / "a.zarr")


def test_unknown_levels_and_classes_are_refused(slide: Slide, tmp_path: Path):
    result = predict(slide, pixel_model(1.0), tmp_path)
    with pytest.raises(ParameterError, match="has levels 0 to 0, not 1"):
        result.level(1)
    with pytest.raises(ParameterError, match="no class 'nerve'; it holds background, tumour"):
        result.array("nerve")


def test_a_level_is_an_array_to_numpy_and_napari(slide: Slide, tmp_path: Path):
    level = predict(slide, pixel_model(), tmp_path).level(0)
    assert (level.ndim, level.dtype, level.chunks) == (2, np.uint8, (512, 512))
    assert level.size == level.nbytes == 1500 * 2000
    whole = np.asarray(level)
    np.testing.assert_array_equal(level[100:200, ::3], whole[100:200, ::3])
    np.testing.assert_array_equal(level[7], whole[7])
    assert level[3, 4] == whole[3, 4]
    assert len(level) == 1500


def test_a_slide_that_cannot_be_read_is_not_taken_for_a_full_disk(tmp_path: Path):
    image = np.zeros((600, 700, 3), np.uint8)
    slide = fake_slide(tmp_path / "a.bin", image)

    def gone(level: int, box: Box) -> None:
        raise SlideError("a.bin can no longer be read: was it moved?", slide.path)

    slide._reader.before_read = gone  # type: ignore[attr-defined]
    with pytest.raises(SlideError, match="can no longer be read"):
        predict(slide, pixel_model(), tmp_path / "out")
