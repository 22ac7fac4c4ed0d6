"""Other tiles as virtual scanners would show them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.errors import MismatchError, ParameterError, TrainingError
from slideconcord.samples.presets import FIVE_SCANNERS
from slideconcord.samples.rescan import rescan
from slideconcord.training.data.prepare import prepare, tiles_of
from slideconcord.training.data.rescanned import RescannedTiles
from slideconcord.training.data.tile import Grid
from slideconcord.training.recipe import read_recipe
from training.training_data import FOLDER_CLASSES, record, tiny, write_folder

NAMES = ["virtual-AT2", "virtual-DP200", "virtual-P1000"]
SCANNERS = [FIVE_SCANNERS[name] for name in NAMES]
GRID = Grid(2.0, 16)


class Blocks:
    """Tiles of one grey each, known by their records."""

    classes = ("a", "b")
    fingerprint = "0" * 64

    def __init__(self, records):
        self.records = tuple(records)

    def read(self, index):
        return np.full((8, 8, 3), 40 + index, np.uint8), np.full((8, 8), index % 2, np.uint8)


def shown(records, by_all=False, seed=0):
    return RescannedTiles(Blocks(records), GRID, SCANNERS, by_all, seed)


def rescanned(folder, **settings):
    source = {"source": {"folder": {"path": str(folder)}}, "scanners": NAMES, **settings}
    return tiny(data__source={"rescanned": source}, classes=FOLDER_CLASSES, data__test=0.2)


def test_a_tile_is_what_rescan_makes_of_it_and_its_mask_stays():
    source = shown([record(f"t{k}", f"p{k}") for k in range(6)])
    for index, seen in enumerate(source.records):
        rgb, mask = source.read(index)
        plain, labels = Blocks([]).read(index)
        scanner = FIVE_SCANNERS[seen.scanner]
        np.testing.assert_array_equal(rgb, rescan(plain, scanner, GRID.mpp, index))
        np.testing.assert_array_equal(mask, labels)


@given(st.lists(st.integers(1, 9), min_size=3, max_size=40), st.integers(0, 9))
def test_a_patient_has_one_scanner_and_scanners_have_even_shares(tiles, seed):
    records = [
        record(f"{p}-{k}", f"p{p}", f"slide {p}") for p, n in enumerate(tiles) for k in range(n)
    ]
    source = shown(records, seed=seed)
    scanners = {r.patient: r.scanner for r in source.records}
    assert all(scanners[r.patient] == r.scanner for r in source.records)
    counts = Counter(r.scanner for r in source.records)
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= max(tiles)
    assert source.records == shown(records, seed=seed).records


def test_every_split_and_group_has_its_share_of_every_scanner():
    records = [
        record(f"{split}{group}{p}", f"{split}{group}{p}", group=group, split=split)
        for split, count in (("train", 12), ("val", 6), ("test", 3))
        for group in ("Polyp", "Normal")
        for p in range(count)
    ]
    source = shown(records)
    of = Counter((r.split, r.group, r.scanner) for r in source.records)
    assert len(of) == 3 * 2 * 3
    assert set(of.values()) == {4, 2, 1}
    assert [r.split for r in source.records] == [r.split for r in records]


def test_who_is_shown_by_which_follows_the_seed_and_is_in_the_fingerprint():
    records = [record(f"t{k}", f"p{k}") for k in range(12)]
    first, second = shown(records, seed=1), shown(records, seed=2)
    assert first.records != second.records
    assert first.fingerprint == shown(records, seed=1).fingerprint != second.fingerprint
    other = RescannedTiles(Blocks(records), Grid(1.0, 16), SCANNERS, False, 1)
    assert other.fingerprint != first.fingerprint, "blur is in µm"


def test_a_slide_on_all_scanners_stays_in_one_split():
    records = [record(f"t{k}", f"p{k // 2}") for k in range(8)]
    source = shown(records, by_all=True)
    assert len(source.records) == 24
    assert Counter(r.slide for r in source.records) == {f"p{p}": 6 for p in range(4)}
    recipe = tiny(data__test=0.2)
    parts = [tiles_of(recipe, source, split) for split in ("train", "val", "test")]
    patients = [{source.records[i].patient for i in part} for part in parts]
    assert sum(map(len, patients)) == 4
    torn = shown([record("a", "p", split="train"), record("b", "p", split="val")], by_all=True)
    with pytest.raises(MismatchError, match=r"1 patient\(s\) would be learnt from and tested on"):
        tiles_of(recipe, torn, "train")


def test_a_recipe_names_source_and_scanners_and_its_path_lies_outside(tmp_path):
    folder = write_folder(tmp_path / "data", patients=12)
    recipe = rescanned(folder)
    assert str(tmp_path) not in str(recipe.to_json())
    prepared = prepare(recipe)
    assert prepared.facts()["scanners"] == NAMES
    moved = rescanned("elsewhere", path=str(folder))
    assert moved.open().fingerprint == prepared.source.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scanners": ["virtual-AT"]}, r"rescanned\.scanners: 'virtual-AT' is not known. Did you"),
        ({"scanners": ["virtual-A"] * 2}, "virtual-A is named twice: name it once"),
        ({"scanners": []}, "at least 1 item"),
        ({"each_patient": "some"}, "each_patient: 'some': Input should be 'one' or 'all'"),
        ({"source": "folders"}, r"rescanned\.source: 'folders' is not known\. Did you mean"),
        ({"source": "virtual", "path": "x"}, r"--data x: the data of .*\.source are computed and"),
        ({"source": "folder"}, "give the folder of the data"),
    ],
)  # fmt: skip
def test_wrong_settings_are_named(settings, message):
    values = {"source": "virtual", "scanners": NAMES, **settings}
    with pytest.raises(ParameterError, match=message):
        tiny(data__source={"rescanned": values}).open()


def test_fewer_patients_than_scanners_are_refused_unless_all_show_them(tmp_path):
    folder = write_folder(tmp_path / "data", patients=2)
    with pytest.raises(TrainingError, match=r"2 patient\(s\) cannot be given to 3 scanners: name"):
        rescanned(folder).open()
    assert len(rescanned(folder, each_patient="all").open().records) == 12


def test_the_command_line_says_where_the_tiles_lie(tmp_path):
    folder = write_folder(tmp_path / "data", patients=6)
    inner = "data.source={rescanned: {source: folder, scanners: [virtual-A, virtual-P1000]}}"
    classes = "classes={background: ['0'], square: ['255']}"
    recipe = read_recipe("pan-cancer-small", [inner, classes], folder)
    assert {r.scanner for r in recipe.open().records} == {"virtual-A", "virtual-P1000"}
