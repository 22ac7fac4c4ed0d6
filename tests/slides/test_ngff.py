"""OME-Zarr 0.4 and 0.5: what we write follows the standard, what we read is checked first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from conftest import tissue_like
from slideconcord.errors import (
    DamagedSlideError,
    OutputError,
    ParameterError,
    SlideError,
    UnsupportedSlideError,
)
from slideconcord.geometry import Box, Frame, Mpp
from slideconcord.slides.ngff import NgffReader, create_pyramid, level_shapes, read_multiscale

IMAGE = tissue_like(120, 170)
VERSIONS = ("0.4", "0.5")


def write_raw(
    path: Path,
    levels: list[np.ndarray],
    axes: str,
    ngff: str = "0.4",
    unit: str | None = "micrometer",
    scale: float = 0.25,
    **metadata: Any,
) -> Path:
    """Write a pyramid with zarr alone, as other software might."""
    group = zarr.create_group(path, zarr_format=2 if ngff == "0.4" else 3)
    sizes = zip(levels[0].shape, *(level.shape for level in levels), strict=True)
    factors = [[full / size for size in rest] for full, *rest in sizes]
    for index, level in enumerate(levels):
        group.create_array(f"scale{index}", data=level, chunks=[min(n, 64) for n in level.shape])
    kinds = {"t": "time", "c": "channel"}
    pyramid = {
        "axes": [
            {"name": axis, "type": kinds.get(axis, "space")}
            | ({"unit": unit} if unit and axis in "yxz" else {})
            for axis in axes
        ],
        "datasets": [
            {
                "path": f"scale{index}",
                "coordinateTransformations": [
                    {
                        "type": "scale",
                        "scale": [
                            factors[i][index] * (scale if axis in "yx" else 1)
                            for i, axis in enumerate(axes)
                        ],
                    }
                ],
            }
            for index in range(len(levels))
        ],
    }
    all_of_it = {"multiscales": [pyramid], **metadata}
    group.attrs.update(all_of_it if ngff == "0.4" else {"ome": {"version": "0.5", **all_of_it}})
    return path


def read_all(path: Path) -> np.ndarray:
    reader = NgffReader(path)
    return reader.read(0, Box(0, 0, *reader.info.levels[0].shape))


class TestCreatePyramid:
    @pytest.mark.parametrize("ngff", VERSIONS)
    @pytest.mark.parametrize("channels", [None, ("background", "tumour")])
    def test_what_is_written_is_read(
        self, tmp_path: Path, ngff: str, channels: tuple[str, ...] | None
    ) -> None:
        levels = create_pyramid(
            tmp_path / "a.zarr",
            (1500, 2051),
            channels=channels,
            dtype="uint8",
            frame_scale_um=(0.5, 0.25),
            translate_um=(10, 20),
            ngff=ngff,
            name="tumour",
            attributes={"slideconcord": {"model": "m"}},
        )
        levels[1][..., 10:20, 30:50] = 7
        image = read_multiscale(tmp_path / "a.zarr")
        lead = () if channels is None else (2,)
        assert [a.shape for a in image.arrays] == [
            (*lead, 1500, 2051),
            (*lead, 750, 1026),
            (*lead, 375, 513),
        ]
        assert image.version == ngff
        assert image.name == "tumour"
        assert image.channels == (channels or ())
        assert image.axes == ("y", "x") if channels is None else ("c", "y", "x")
        assert image.attributes["slideconcord"] == {"model": "m"}
        assert image.arrays[1][..., 10:20, 30:50].min() == 7
        assert image.arrays[0][...].max() == 0

    def test_each_level_lies_where_its_pixels_do(self, tmp_path: Path) -> None:
        frame, mpp = Frame(100, 40, 4, 2), Mpp(0.25, 0.25)
        create_pyramid(
            tmp_path / "a.zarr",
            (3000, 2000),
            channels=None,
            dtype="uint8",
            frame_scale_um=frame.scale_um(mpp),
            translate_um=frame.translate_um(mpp),
        )
        image = read_multiscale(tmp_path / "a.zarr")
        for level in range(3):
            coarse = frame.coarser(2**level)
            assert image.pixel_um(level) == pytest.approx(coarse.scale_um(mpp))
            assert image.translate_um(level) == pytest.approx(coarse.translate_um(mpp))

    def test_04_is_written_as_its_standard_says(self, tmp_path: Path) -> None:
        create_pyramid(
            tmp_path / "a.zarr",
            (40, 30),
            channels=("tumour",),
            dtype="uint8",
            frame_scale_um=(1, 1),
        )
        attributes = json.loads((tmp_path / "a.zarr/.zattrs").read_text())
        (pyramid,) = attributes["multiscales"]
        assert pyramid["version"] == "0.4"
        assert pyramid["axes"] == [
            {"name": "c", "type": "channel"},
            {"name": "y", "type": "space", "unit": "micrometer"},
            {"name": "x", "type": "space", "unit": "micrometer"},
        ]
        (dataset,) = pyramid["datasets"]
        # One scale, then at most one translation, in this order.
        assert [t["type"] for t in dataset["coordinateTransformations"]] == ["scale", "translation"]
        (channel,) = attributes["omero"]["channels"]
        assert channel["label"] == "tumour"
        assert len(channel["color"]) == 6
        assert set(channel["window"]) == {"min", "max", "start", "end"}
        array = json.loads((tmp_path / "a.zarr/0/.zarray").read_text())
        assert array["dimension_separator"] == "/"
        assert array["zarr_format"] == 2
        assert array["compressor"]["cname"] == "zstd"
        assert array["compressor"]["clevel"] <= 3

    def test_05_is_written_as_its_standard_says(self, tmp_path: Path) -> None:
        create_pyramid(
            tmp_path / "a.zarr",
            (40, 30),
            channels=("tumour",),
            dtype="uint8",
            frame_scale_um=(1, 1),
            ngff="0.5",
        )
        node = json.loads((tmp_path / "a.zarr/zarr.json").read_text())
        ome = node["attributes"]["ome"]
        assert ome["version"] == "0.5"
        assert "version" not in ome["multiscales"][0]
        array = json.loads((tmp_path / "a.zarr/0/zarr.json").read_text())
        assert array["zarr_format"] == 3
        assert array["dimension_names"] == ["c", "y", "x"]
        assert array["chunk_key_encoding"]["configuration"]["separator"] == "/"

    @pytest.mark.parametrize("ngff", VERSIONS)
    def test_labels_say_so_and_where_their_version_belongs(self, tmp_path: Path, ngff: str) -> None:
        create_pyramid(
            tmp_path / "a.zarr",
            (40, 30),
            channels=None,
            dtype="uint8",
            frame_scale_um=(1, 1),
            ngff=ngff,
            image_label=True,
            name="tumour",
        )
        attributes = read_multiscale(tmp_path / "a.zarr").attributes
        label = (attributes if ngff == "0.4" else attributes["ome"])["image-label"]
        assert ("version" in label) == (ngff == "0.4")
        assert label["properties"] == [{"label-value": 1, "class": "tumour"}]
        assert label["colors"][0]["label-value"] == 1
        with pytest.raises(UnsupportedSlideError, match="label image, not a slide"):
            NgffReader(tmp_path / "a.zarr")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"image_label": True, "dtype": "float32"}, "Labels are one integer per pixel"),
            ({"image_label": True, "channels": ("a",)}, "Labels are one integer per pixel"),
            ({"ngff": "0.6"}, "Choose '0.4' or '0.5'"),
            ({"shape_yx": (0, 5)}, "must be positive"),
            ({"frame_scale_um": (1, 0)}, "is no pixel size"),
            ({"frame_scale_um": (1, float("nan"))}, "is no pixel size"),
        ],
    )
    def test_what_makes_no_pyramid_is_refused(
        self, tmp_path: Path, wrong: dict[str, Any], message: str
    ) -> None:
        good = {"shape_yx": (9, 9), "channels": None, "dtype": "uint8", "frame_scale_um": (1, 1)}
        with pytest.raises(ParameterError, match=message):
            create_pyramid(tmp_path / "a.zarr", **good | wrong)
        assert not (tmp_path / "a.zarr").exists()

    def test_a_folder_in_use_is_left_alone(self, tmp_path: Path) -> None:
        options = {"channels": None, "dtype": "uint8", "frame_scale_um": (1, 1)}
        (tmp_path / "kept.txt").write_text("mine")
        with pytest.raises(OutputError, match=r"is not empty\. Choose another place"):
            create_pyramid(tmp_path, (9, 9), **options)
        assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
        with pytest.raises(OutputError, match="cannot be written"):
            create_pyramid(tmp_path / "kept.txt" / "a.zarr", (9, 9), **options)

    def test_levels_halve_rounded_up(self) -> None:
        assert level_shapes((1024, 1024)) == [(1024, 1024)]
        assert level_shapes((1025, 3)) == [(1025, 3), (513, 2)]
        assert level_shapes((2**17 + 1, 1))[-1] == (1024 // 2 + 1, 1)


class TestReading:
    @pytest.mark.parametrize("ngff", VERSIONS)
    @pytest.mark.parametrize("axes", ["yxc", "cyx", "tczyx", "tcyx", "xyc"])
    def test_axes_in_any_order(self, tmp_path: Path, axes: str, ngff: str) -> None:
        missing = [axis for axis in axes if axis not in "yxc"]
        stored = IMAGE.reshape(*IMAGE.shape, *[1] * len(missing))
        order = ["yxc".index(a) if a in "yxc" else 3 + missing.index(a) for a in axes]
        stored = np.ascontiguousarray(stored.transpose(order))
        path = write_raw(tmp_path / "a.zarr", [stored], axes, ngff)
        reader = NgffReader(path)
        assert reader.info.format == f"ome-zarr-{ngff}"
        assert reader.info.mpp == Mpp(0.25, 0.25)
        np.testing.assert_array_equal(read_all(path), IMAGE)
        box = Box(20, 30, 60, 100)
        np.testing.assert_array_equal(reader.read(0, box), IMAGE[box.slices])

    def test_grey_becomes_rgb(self, tmp_path: Path) -> None:
        path = write_raw(tmp_path / "a.zarr", [IMAGE[..., 0]], "yx")
        np.testing.assert_array_equal(read_all(path), np.repeat(IMAGE[..., :1], 3, axis=-1))

    @pytest.mark.parametrize(
        ("unit", "scale", "mpp"),
        [("nanometer", 250, 0.25), ("millimeter", 0.0005, 0.5), ("µm", 0.5, 0.5), (None, 1, None),
         ("parsec", 1, None)],
    )  # fmt: skip
    def test_units(self, tmp_path: Path, unit: str | None, scale: float, mpp: float | None) -> None:
        path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc", unit=unit, scale=scale)
        found = NgffReader(path).info.mpp
        assert found == (None if mpp is None else pytest.approx((mpp, mpp)))

    def test_real_factors_of_levels(self, tmp_path: Path) -> None:
        levels = [IMAGE, IMAGE[::2, ::2], IMAGE[::4, ::4][:29]]
        info = NgffReader(write_raw(tmp_path / "a.zarr", levels, "yxc")).info
        assert info.levels[2].downsample == pytest.approx((120 / 29, 170 / 43))

    def test_a_scale_of_the_whole_pyramid_counts(self, tmp_path: Path) -> None:
        path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
        change(path, lambda m: m["multiscales"][0].update(
            coordinateTransformations=[{"type": "scale", "scale": [2, 2, 1]}]))  # fmt: skip
        assert NgffReader(path).info.mpp == Mpp(0.5, 0.5)

    @pytest.mark.parametrize("ngff", VERSIONS)
    def test_bioformats2raw_collections_open_their_first_image(
        self, tmp_path: Path, ngff: str
    ) -> None:
        path = tmp_path / "a.zarr"
        root = zarr.create_group(path, zarr_format=2 if ngff == "0.4" else 3)
        root.attrs["bioformats2raw.layout"] = 3
        write_raw(path / "0", [IMAGE], "yxc", ngff)
        write_raw(path / "1", [IMAGE[:20]], "yxc", ngff)
        np.testing.assert_array_equal(read_all(path), IMAGE)

    def test_chunks_that_were_never_written_are_the_fill_value(self, tmp_path: Path) -> None:
        path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
        shutil.rmtree(path / "scale0", ignore_errors=True)
        group = zarr.open_group(path, mode="r+")
        group.create_array(
            "scale0", shape=IMAGE.shape, dtype="uint8", chunks=(64, 64, 3), fill_value=255
        )
        assert (read_all(path) == 255).all()


def change(path: Path, edit: Any) -> None:
    """Change the metadata of a 0.4 folder."""
    file = path / ".zattrs"
    metadata = json.loads(file.read_text())
    edit(metadata)
    file.write_text(json.dumps(metadata))


CHANNELS = [{"label": name, "color": "0000FF"} for name in ("DAPI", "CD3", "CD8")]


@pytest.mark.parametrize(
    ("levels", "axes", "metadata", "reason"),
    [
        ([IMAGE.astype(np.uint16)], "yxc", {}, "image of uint16; a slide has 8-bit"),
        ([IMAGE.astype(np.float32)], "yxc", {}, "image of float32"),
        ([np.stack([IMAGE] * 3)], "zyxc", {}, r"stack of the shape .*'z': 3"),
        ([np.dstack([IMAGE] * 2)], "yxc", {}, "image of 6 channels; a slide has 3"),
        ([IMAGE], "yxc", {"omero": {"channels": CHANNELS}}, "channels DAPI, CD3, CD8, which are"),
        ([IMAGE, IMAGE], "yxc", {}, "level 1 is not coarser than the one before"),
    ],
)
def test_what_is_no_slide_is_refused_with_its_kind(
    tmp_path: Path, levels: list[np.ndarray], axes: str, metadata: dict[str, Any], reason: str
) -> None:
    path = write_raw(tmp_path / "a.zarr", levels, axes, **metadata)
    with pytest.raises(UnsupportedSlideError, match=reason):
        NgffReader(path)


def test_colour_channels_are_known_by_name_or_colour(tmp_path: Path) -> None:
    for index, channels in enumerate(
        (
            [{"label": name, "color": "FFFFFF"} for name in ("Red", "green", "B")],
            [
                {"label": f"Channel {i}", "color": c}
                for i, c in enumerate(("ff0000", "00FF00", "0000ff"))
            ],
        )
    ):
        path = write_raw(tmp_path / f"{index}.zarr", [IMAGE], "yxc", omero={"channels": channels})
        np.testing.assert_array_equal(read_all(path), IMAGE)


def set_pyramid(**values: Any) -> Any:
    return lambda metadata: metadata["multiscales"][0].update(values)


def set_scale(*transforms: Any) -> Any:
    def edit(metadata: dict[str, Any]) -> None:
        for dataset in metadata["multiscales"][0]["datasets"]:
            dataset["coordinateTransformations"] = list(transforms)

    return edit


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda m: m.clear(), "without 'multiscales'"),
        (lambda m: m.update(multiscales=[]), "without 'multiscales'"),
        (lambda m: m.update(multiscales={}), "without 'multiscales'"),
        (lambda m: m.update(multiscales="yes"), "is malformed"),
        (lambda m: m.update(multiscales=[7]), "is malformed"),
        (lambda m: m.update(omero={"channels": [3]}), "is malformed"),
        (lambda m: m.update(omero=[]), "is malformed"),
        (lambda m: (m.clear(), m.update(plate={"wells": []})), "plate or well, not one image"),
        (lambda m: (m.clear(), m.update(labels=["a"])), "a folder of OME-Zarr labels"),
        (set_pyramid(datasets=[]), "lists no levels"),
        (set_pyramid(datasets=[{"path": "scale0"}] * 70), "more than 64"),
        (set_pyramid(datasets=[{"path": "scale0"}]), "is malformed"),
        (set_pyramid(axes=[{"name": "y"}, {"name": "x"}]), "is malformed|not 2 finite|no array of"),
        (set_pyramid(axes=[{"name": "y"}] * 3), "has the axes"),
        (set_pyramid(axes="yxc"), "is malformed"),
        (set_pyramid(axes=[{"name": n, "unit": 4} for n in "yxc"]), "units that are no names"),
        (set_scale({"type": "scale", "scale": [0, 1, 1]}), "not positive"),
        (set_scale({"type": "scale", "scale": [1, 1]}), "not 3 finite numbers"),
        (set_scale({"type": "scale", "scale": [1, 1, float("inf")]}), "not 3 finite numbers"),
        (set_scale({"type": "scale", "scale": ["a", 1, 1]}), "is malformed"),
        (set_scale({"type": "scale", "path": "x"}), "of the type 'scale'"),
        (set_scale({"type": "affine", "affine": []}), "of the type 'affine'"),
        (set_scale(None), "is malformed"),
    ],
)
def test_metadata_that_cannot_be_meant(tmp_path: Path, edit: Any, reason: str) -> None:
    path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
    change(path, edit)
    with pytest.raises(UnsupportedSlideError, match=reason) as caught:
        NgffReader(path)
    assert "a.zarr" in str(caught.value)


@pytest.mark.parametrize("name", ["../b.zarr/scale0", "/etc", "", 5, "absent", "."])
def test_levels_are_looked_for_inside_the_folder_only(tmp_path: Path, name: object) -> None:
    write_raw(tmp_path / "b.zarr", [IMAGE], "yxc")
    path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
    change(path, lambda m: m["multiscales"][0]["datasets"][0].update(path=name))
    with pytest.raises(UnsupportedSlideError, match=r"no path inside|is missing|no array of"):
        NgffReader(path)


@pytest.mark.parametrize("ngff", VERSIONS)
@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"zarr_format": 9}', "[" * 100_000])
def test_broken_json_is_one_clear_error(tmp_path: Path, ngff: str, text: str) -> None:
    path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc", ngff)
    (path / ("zarr.json" if ngff == "0.5" else ".zgroup")).write_text(text)
    with pytest.raises(SlideError) as caught:
        NgffReader(path)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("chunks", [0, 64, 3]), ("chunks", [64]), ("shape", [-1, 5, 3]), ("dtype", "|O"), ("order", 1),
     ("compressor", {"id": "nobody"}), ("filters", [{"id": "pickle"}]), ("shape", [0, 0, 3])],
)  # fmt: skip
def test_hostile_array_metadata(tmp_path: Path, key: str, value: Any) -> None:
    path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
    file = path / "scale0/.zarray"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(SlideError):
        read_all(path)


def test_enormous_chunks_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
    file = path / "scale0/.zarray"
    array = json.loads(file.read_text()) | {"chunks": [100_000, 100_000, 3]}
    file.write_text(json.dumps(array))
    with pytest.raises(UnsupportedSlideError, match="chunks above 1 GiB; write it again"):
        NgffReader(path)


def test_a_chunk_of_garbage_is_named(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "a.zarr", [IMAGE], "yxc")
    (path / "scale0/1.1.0").write_bytes(b"garbage")
    reader = NgffReader(path)
    with pytest.raises(DamagedSlideError, match=r"a\.zarr: tile \(level 0, row 1, column 1\)") as e:
        reader.read(0, Box(0, 0, 120, 170))
    assert e.value.tiles == ((0, 1, 1),)
