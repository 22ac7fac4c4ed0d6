from __future__ import annotations

import os
from importlib import metadata

import numpy as np
import pytest
import tifffile

from conftest import tissue_like, write_pyramid
from slideconcord.errors import (
    DamagedSlideError,
    MissingMppError,
    ParameterError,
    SlideError,
    UnsupportedSlideError,
)
from slideconcord.geometry import Mpp
from slideconcord.slides import READERS, Slide, open_slide
from slideconcord.slides import opening as opening_module

OURS = tuple(READERS)


def test_a_slide_says_what_it_is(tiny_slide):
    assert (tiny_slide.name, tiny_slide.shape) == ("tiny", (1500, 2000))
    assert tiny_slide.mpp == pytest.approx(Mpp(0.5, 0.5))
    assert tiny_slide.mpp_source == "file"
    assert repr(tiny_slide) == "<Slide tiny: 1500 x 2000 px, 0.5 µm/px>"


def test_a_given_mpp_counts_more_than_the_files(tiny_slide_path):
    with open_slide(tiny_slide_path, mpp=(0.25, 0.26)) as slide:
        assert (slide.mpp, slide.mpp_source) == (Mpp(0.25, 0.26), "given")


def test_no_pixel_size_is_asked_for_never_guessed(tmp_path):
    path = write_pyramid(tmp_path / "plain.tif", tissue_like(300, 300), mpp=None, levels=1)
    with pytest.raises(MissingMppError) as caught:
        open_slide(path)
    assert str(caught.value) == "plain.tif has no pixel size. Pass mpp=0.25 (or --mpp 0.25)."
    assert caught.value.path == str(path)
    with open_slide(path, mpp=1.0) as slide:
        assert slide.mpp == Mpp(1, 1)


def test_an_absurd_pixel_size_is_refused(tmp_path):
    path = write_pyramid(tmp_path / "far.tif", tissue_like(300, 300), mpp=1000, levels=1)
    with pytest.raises(MissingMppError) as caught:
        open_slide(path)
    assert str(caught.value) == (
        "far.tif claims 1000 µm per pixel, which no slide scanner makes. "
        "Pass mpp=0.25 (or --mpp 0.25)."
    )


@pytest.mark.parametrize("mpp", [0, -1, 1000, float("nan"), (1, 2, 3)])
def test_an_absurd_given_mpp_is_refused(tiny_slide_path, mpp):
    with pytest.raises(ParameterError, match="is not a pixel size"):
        open_slide(tiny_slide_path, mpp=mpp)


def test_a_missing_file(tmp_path):
    with pytest.raises(SlideError, match=r"no\.svs does not exist: check the name") as caught:
        open_slide(tmp_path / "no.svs")
    assert type(caught.value) is SlideError


def test_a_name_too_long_for_the_system(tmp_path):
    with pytest.raises(SlideError, match=r"cannot be read: .*too long"):
        open_slide(tmp_path / ("x" * 5000))


def test_an_empty_file(tmp_path):
    path = tmp_path / "empty.svs"
    path.touch()
    with pytest.raises(UnsupportedSlideError, match=r"empty\.svs is empty \(0 bytes\): copy it"):
        open_slide(path)


def test_an_empty_folder(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(UnsupportedSlideError, match="f is an empty folder"):
        open_slide(tmp_path / "f")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret.svs"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SlideError, match=r"secret\.svs may not be read"):
        open_slide(path)


def test_the_reason_a_file_may_not_be_read_is_told(tmp_path, monkeypatch):
    path = tmp_path / "secret.svs"
    path.write_bytes(b"x")

    def refuse(*_args, **_keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(SlideError, match=r"secret\.svs may not be read: give yourself permission"):
        open_slide(path)


@pytest.mark.parametrize("content", [b"just text\n" * 200, b"II*\0", b"\x89PNG\r\n\x1a\nrubbish"])
def test_what_no_reader_knows_is_refused_with_every_reason_in_one_line(tmp_path, content):
    path = tmp_path / "notes.svs"
    path.write_bytes(content)
    with pytest.raises(UnsupportedSlideError, match=r"^notes\.svs is no slide") as caught:
        open_slide(path)
    assert tuple(caught.value.tried) == OURS
    assert all(reason in str(caught.value) for reason in caught.value.tried.values())
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_folder_that_is_no_slide(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UnsupportedSlideError) as caught:
        open_slide(tmp_path)
    assert tuple(caught.value.tried) == OURS


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.7, 0.9])
def test_a_truncated_slide(tiny_slide_path, tmp_path, kept):
    path = tmp_path / "cut.tif"
    data = tiny_slide_path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SlideError, match=r"^cut\.tif.*$"), open_slide(path) as slide:
        slide.read_region(0, slide.box)


def test_a_slide_whose_last_tile_is_cut_off_gives_the_others(tiny_slide_path, tmp_path):
    path = tmp_path / "cut.tif"
    path.write_bytes(tiny_slide_path.read_bytes()[:-100])
    with open_slide(path) as slide:
        assert slide.read_region(0, slide.box).shape == (1500, 2000, 3)
        with pytest.raises(DamagedSlideError, match=r"cut\.tif: 1 damaged tile.*\(2, 1, 1\)"):
            slide.read_region(2, slide.level(2).box)
        slide.read_region(2, slide.level(2).box, on_damage="mark")
        assert slide.damaged == {(2, 1, 1)}


def test_names_of_any_script_and_a_wrong_ending(tiny_slide_path, tmp_path):
    for name in ("präparat 7 – 組織.tif", "slide.txt", "n" * 200 + ".tif"):
        path = tmp_path / name
        path.write_bytes(tiny_slide_path.read_bytes())
        with open_slide(path) as slide:
            assert slide.read_region(0, slide.box).shape == (1500, 2000, 3)


def test_one_reader_can_be_named(tiny_slide_path, tmp_path):
    with open_slide(tiny_slide_path, reader="tiff") as slide:
        assert type(slide._reader).__name__ == "TiffReader"
    with pytest.raises(UnsupportedSlideError) as caught:
        open_slide(tiny_slide_path, reader="image")
    assert tuple(caught.value.tried) == ("image",)
    with pytest.raises(
        ParameterError, match="reader='x' is unknown: choose one of openslide, ngff"
    ):
        open_slide(tiny_slide_path, reader="x")


class OtherReader:
    def __init__(self, path):
        if path.suffix != ".other":
            raise UnsupportedSlideError("not .other")
        raise OSError("the disk is gone")


def test_readers_of_other_packages_come_last_and_never_hide_ours(tmp_path, monkeypatch):
    points = [
        metadata.EntryPoint("other", f"{__name__}:OtherReader", "slideconcord.readers"),
        metadata.EntryPoint("broken", "no_such_package_here:Reader", "slideconcord.readers"),
        metadata.EntryPoint("tiff", "no_such_package_here:Reader", "slideconcord.readers"),
    ]
    monkeypatch.setattr(opening_module.metadata, "entry_points", lambda group: points)
    monkeypatch.setattr(opening_module, "_reader_class", fake_class)
    path = tmp_path / "a.other"
    path.write_bytes(b"x")
    with pytest.raises(UnsupportedSlideError) as caught:
        open_slide(path)
    assert tuple(caught.value.tried) == (*OURS, "other", "broken")
    assert caught.value.tried["other"] == "the disk is gone"
    assert caught.value.tried["broken"].startswith("cannot be loaded: No module named")


def fake_class(place):
    return OtherReader if place.endswith("OtherReader") else REAL_CLASS(place)


REAL_CLASS = opening_module._reader_class


def test_a_reader_of_ours_that_cannot_be_loaded_is_an_error(tiny_slide_path, monkeypatch):
    monkeypatch.setitem(READERS, "openslide", "slideconcord.slides.no_such:Reader")
    with pytest.raises(ImportError):
        open_slide(tiny_slide_path)


def test_a_refused_slide_is_closed_again(tmp_path, monkeypatch):
    path = write_pyramid(tmp_path / "plain.tif", tissue_like(300, 300), mpp=None, levels=1)
    closed = []
    reader = type("Spy", (), {"close": lambda self: closed.append(1)})()
    reader.info = type("Info", (), {"mpp": None})()
    monkeypatch.setattr(opening_module, "find_reader", lambda *_: reader)
    with pytest.raises(MissingMppError):
        open_slide(path)
    assert closed == [1]


def test_the_fingerprint_is_of_the_bytes_not_of_the_name(tiny_slide_path, tmp_path):
    copy = tmp_path / "other name.tif"
    copy.write_bytes(tiny_slide_path.read_bytes())
    other = write_pyramid(tmp_path / "tiny.tif", tissue_like(1500, 2000, seed=1))
    prints = []
    for path in (tiny_slide_path, copy, other):
        with open_slide(path) as slide:
            prints.append(slide.fingerprint)
    assert prints[0] == prints[1] != prints[2]
    assert len(prints[0]) == 64


def test_readers_agree_on_the_pixels(tiny_slide_path):
    with open_slide(tiny_slide_path) as one, open_slide(tiny_slide_path, reader="tiff") as two:
        assert isinstance(one, Slide)
        assert np.array_equal(one.levels[0][:], two.levels[0][:])
        with tifffile.TiffFile(tiny_slide_path) as tiff:
            stored = tiff.pages[0].asarray()
        assert np.abs(one.levels[0][:].astype(int) - stored).mean() < 1
