"""Tile and context: one centre to the half pixel, and maps that do not show where tiles lay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, zoom

from fake_slides import ArrayReader, array_slide
from segmentation.predict_helpers import spec_for
from slideconcord.errors import ModelError, ParameterError
from slideconcord.geometry import Box, Mpp
from slideconcord.segmentation.blend import Blend
from slideconcord.segmentation.context import Context, padded_shape
from slideconcord.segmentation.model import Model
from slideconcord.segmentation.plan import plan_run
from slideconcord.segmentation.predict import PredictOptions, predict
from slideconcord.segmentation.reading import TileReader
from slideconcord.segmentation.spec import make_spec
from slideconcord.segmentation.tiles import TileGrid
from slideconcord.slides import Slide, TileCache

SIDE = 512


def halved(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = (side // factor for side in image.shape[:2])
    parts = image.reshape(height, factor, width, factor, 3).astype(float)
    return np.round(parts.mean((1, 3))).astype(np.uint8)


def slide_of(folder: Path, *images: np.ndarray, **info: object) -> Slide:
    """Return a slide with a file that can be told from others."""
    path = folder / "slide.svs"
    path.write_bytes(images[0].tobytes()[:1000])
    reader = ArrayReader(list(images), tile=(64, 64), **info)
    return Slide(path, reader, Mpp(0.5, 0.5), cache=TileCache(64 << 20))


def pyramid(folder: Path, image: np.ndarray) -> Slide:
    return slide_of(folder, image, halved(image, 2), halved(image, 4))


def smooth_image(seed: int = 0, sigma: float = 14.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE, 3))
    smooth = gaussian_filter(noise, (sigma, sigma, 0))
    return np.clip(128 + 55 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def sees_both(tile: np.ndarray) -> np.ndarray:
    """Red of the tile, and red of what the context shows of the same place."""
    fine, wide = tile[..., 0].astype(np.float32) / 255
    d = 4
    # One more pixel on each side, and bilinear between centres.
    height, width = fine.shape
    y, x = ((np.arange(n) + 0.5 - n / 2) / d + n / 2 - 0.5 for n in (height, width))
    rows, columns = (
        np.clip(np.floor(v).astype(int), 0, n - 2) for v, n in ((y, height), (x, width))
    )
    fy, fx = (y - rows)[:, None], (x - columns)[None]
    corner = [wide[rows[:, None] + a, columns + b] for a in (0, 1) for b in (0, 1)]
    there = (1 - fy) * ((1 - fx) * corner[0] + fx * corner[1])
    there += fy * ((1 - fx) * corner[2] + fx * corner[3])
    return np.stack([fine, there]).astype(np.float32)


def context_model(**fields: object) -> Model:
    return Model.from_function(spec_for(context={"downsample": 4}, **fields), sees_both)


def centroid(image: np.ndarray) -> np.ndarray:
    """Return (y, x) of what is dark, in corner coordinates of the image."""
    dark = 255 - image[..., 0].astype(float)
    rows, columns = np.indices(dark.shape) + 0.5
    return np.array([(dark * rows).sum(), (dark * columns).sum()]) / dark.sum()


@settings(deadline=None, max_examples=50)
@given(
    tile=st.tuples(st.integers(0, 56), st.integers(0, 56)),
    shape=st.tuples(st.integers(33, 200), st.integers(33, 200)),
    spot=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    downsample=st.sampled_from([2, 4]),
    multiple=st.sampled_from([1, 2, 32]),
    step=st.sampled_from([1, 2]),
)
def test_a_spot_meets_itself_in_tile_and_context(
    tile: tuple[int, int], shape: tuple[int, int], spot: tuple[float, float],
    downsample: int, multiple: int, step: int,
):  # fmt: skip
    """Wherever a spot lies in a tile, both pictures show it equally far from their one centre."""
    size = 16 // step
    at = [
        (start + int(share * (side - size))) * step
        for start, side, share in zip(tile, shape, spot, strict=True)
    ]
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    image[at[0] : at[0] + 16, at[1] : at[1] + 16] = 40
    slide = array_slide([image, halved(image, 2)])
    spec = spec_for(0.5 * step, context={"downsample": downsample}, input_multiple=multiple)
    reader = TileReader(plan_run(slide, Model.from_function(spec, sees_both), PredictOptions()))
    fine, wide = reader.read_box(Box(*tile, *shape))
    for axis, side in enumerate(shape):
        extra = padded_shape(shape, multiple)[axis] - side
        middle = (side + extra) / 2 - extra // 2  # of the padded picture
        place, seen = (centroid(picture)[axis] - middle for picture in (fine, wide))
        level0 = (tile[axis] + place + middle) * step
        assert level0 == pytest.approx(at[axis] + 8)
        assert downsample * seen == pytest.approx(place, abs=0.04 * downsample)


def test_context_begins_where_the_arithmetic_says():
    context = Context(4)
    assert context.first(512, 512) == -768  # 512 px four times as wide reach 768 px further
    assert context.first(101, 101) == -151.5
    assert context.first(101, 128) == -153  # padded 13 before and 14 behind: centre at 51


@pytest.mark.parametrize("sides", [(96, 64), (33, 50), (17, 95)])
@pytest.mark.parametrize("downsample", [2, 4, 8])
def test_context_of_an_array_equals_that_of_a_white_surrounding(
    sides: tuple[int, int], downsample: int
):
    """The slow twin paints the surrounding, doubles every pixel, and takes means of blocks."""
    image = np.random.default_rng(1).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    box = Box(-7, 11, *sides)
    found = Context(downsample).around(image, box, sides)
    reach = downsample * max(sides)
    wide = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), constant_values=255)
    double = wide.repeat(2, 0).repeat(2, 1).astype(float)  # half pixels are whole ones here
    first = [
        round(2 * (start + reach + Context(downsample).first(side, side)))
        for start, side in zip((box.y, box.x), sides, strict=True)
    ]
    part = double[
        first[0] : first[0] + 2 * downsample * sides[0],
        first[1] : first[1] + 2 * downsample * sides[1],
    ]
    blocks = part.reshape(sides[0], 2 * downsample, sides[1], 2 * downsample, 3)
    np.testing.assert_allclose(found, blocks.mean((1, 3)), atol=0.51)


def test_context_far_from_the_array_is_white():
    image = np.zeros((8, 8, 3), np.uint8)
    assert (Context(4).around(image, Box(200, 0, 16, 16), (16, 16)) == 255).all()


@pytest.mark.parametrize("size", [(300, 50), (160, 32), (257, 31)])
def test_prediction_equals_the_twin_that_holds_the_whole_slide(
    tmp_path: Path, size: tuple[int, int]
):
    image = smooth_image()
    slide, out = slide_of(tmp_path, image), tmp_path / "out"
    result = predict(slide, context_model(), out, tile_px=size[0], overlap_px=size[1], batch=2)
    grid = TileGrid(image.shape[:2], *size)
    tiles = {}
    for index in range(len(grid)):
        box = grid.box(index)
        around = Context(4).around(image, box, box.shape)
        scores = sees_both(np.stack([image[box.slices], around]))
        tiles[index] = np.floor(scores * np.float32(255)).astype(np.uint8)
    merged = Blend(grid)(Box(0, 0, *grid.shape), tiles)
    np.testing.assert_array_equal(result.arrays[0][:], merged)


def test_the_map_does_not_show_where_tiles_lay(tmp_path: Path):
    """From a pyramid's stored levels, with tiles of other sizes at other places: one map."""
    slide = pyramid(tmp_path, smooth_image())
    maps = [
        predict(slide, context_model(), tmp_path / str(tile), tile_px=tile, overlap_px=overlap)
        for tile, overlap in ((512, 0), (256, 64), (203, 31))
    ]
    # Pixels of the context that cover the slide's edge are mixed with what lies beyond.
    whole, *others = (map_.array("tumour")[:].astype(int)[8:-8, 8:-8] for map_ in maps)
    for other in others:
        off = np.abs(other - whole)
        assert np.ptp(whole) > 200
        assert off.max() <= 6
        assert off.mean() < 0.6
    # What the context shows is the slide itself, a little blurred; a pixel beside it would not do.
    red = smooth_image()[8:-8, 8:-8, 0].astype(float)
    right = np.abs(whole - red).mean()
    beside = min(
        np.abs(np.roll(whole, move, axis) - red).mean() for move in (1, -1) for axis in (0, 1)
    )
    assert 2 * right < beside


def test_context_is_read_from_a_coarse_level(tmp_path: Path):
    slide = pyramid(tmp_path, smooth_image())
    plan = plan_run(slide, context_model(), PredictOptions(tile_px=128, overlap_px=0))
    reader = TileReader(plan)
    reader.read_box(Box(192, 192, 128, 128))
    levels = [level for level, _ in slide._reader.read_boxes]
    assert set(levels) == {0, 2}


def test_beyond_the_slide_is_its_background():
    slide = array_slide([np.full((SIDE, SIDE, 3), 90, np.uint8)], background=(200, 210, 220))
    plan = plan_run(slide, context_model(), PredictOptions(tile_px=128, overlap_px=0))
    context = TileReader(plan).read_box(Box(0, 0, 128, 128))[1]
    assert (context[:48, :, :] == (200, 210, 220)).all()
    assert (context[48:, 48:] == 90).all()


def test_a_plain_array_has_the_context_that_it_shows():
    image = smooth_image()[:200, :160]
    seen: list[np.ndarray] = []

    def remember(tile: np.ndarray) -> np.ndarray:
        seen.append(tile)
        return sees_both(tile)

    model = Model.from_function(spec_for(context={"downsample": 4}), remember)
    scores = model(image)
    assert scores.shape == (2, 200, 160)
    np.testing.assert_array_equal(seen[0][0], image)
    wanted = Context(4).around(image, Box(0, 0, 200, 160), (200, 160))
    np.testing.assert_array_equal(seen[0][1], wanted)
    both = np.stack([image, wanted])
    np.testing.assert_array_equal(model(both), scores)


def test_what_is_no_tile_is_refused_with_both_shapes():
    with pytest.raises(ParameterError, match=r"or with its context \(2, y, x, 3\) uint8, not"):
        context_model()(np.zeros((3, 64, 64, 3), np.uint8))
    plain = Model.from_function(spec_for(), lambda tile: tile)
    with pytest.raises(ParameterError, match=r"takes RGB \(y, x, 3\) uint8, not \(2, 64"):
        plain(np.zeros((2, 64, 64, 3), np.uint8))


def test_jpeg_tiles_are_two_files(tmp_path: Path):
    slide = pyramid(tmp_path, smooth_image())
    options = PredictOptions(tile_px=128, overlap_px=0, jpeg_tiles=True)
    reader = TileReader(plan_run(slide, context_model(), options))
    raw = reader.read_box(reader.plan.grid.box(7))
    through = reader.read(7)
    assert through.shape == raw.shape
    assert 0 < np.abs(through.astype(int) - raw).mean(axis=(1, 2, 3)).min() < 3


def test_context_changes_the_hash_and_its_absence_does_not():
    plain = spec_for()
    assert plain.changed(context={"downsample": 4}).hash != plain.hash
    assert plain.changed(context={"downsample": 2}).hash != plain.changed(context={}).hash
    assert json.loads(plain.model_dump_json())["context"] is None


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"downsample": 3}, "context.downsample: Input should be 2, 4, 8 or 16"),
        ({"downsample": 4, "size": 512}, "context.size: Unexpected keyword argument"),
        (4, "context: Input should be a dictionary"),
    ],
)
def test_a_wrong_context_is_named(context: object, says: str):
    fields = {**spec_for().model_dump(), "context": context}
    with pytest.raises(ModelError, match=says):
        make_spec(fields, "test")


def test_zoom_of_the_helper_is_half_pixel_exact():
    """The tests' own network enlarges as scipy does between pixel centres."""
    wide = smooth_image()[:64, :64]
    tile = np.stack([wide, wide])
    large = zoom(wide[..., 0].astype(float), 4, order=1, mode="grid-constant", grid_mode=True)
    middle = large[96:160, 96:160]
    np.testing.assert_allclose(sees_both(tile)[1] * 255, middle, atol=0.01)
