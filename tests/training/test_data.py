"""Checklist (e) 15 and 16, and what makes data fit to be learnt from."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from slideconcord.errors import MismatchError, ParameterError, TrainingError
from slideconcord.training.data.balance import (
    BalanceClasses,
    BalanceScanners,
    BalanceSlides,
    MixScanners,
    Order,
    OversampleSlides,
)
from slideconcord.training.data.batches import Loader
from slideconcord.training.data.labels import Labels
from slideconcord.training.data.memory import TileMemory
from slideconcord.training.data.prepare import keeps, measure, padded, prepare, tiles_of
from slideconcord.training.data.split import check_split, split_tiles
from slideconcord.training.data.tile import IGNORE, Grid, shares_of
from slideconcord.training.data.virtual import VirtualData
from training.training_data import FOLDER_CLASSES, folder_recipe, record, tiny, write_folder

# --- splits


def two_scanners(patients: int, tiles: int = 3):
    return [
        record(f"{p}-{scanner}-{k}", f"patient-{p}", f"slide-{p}", scanner)
        for p in range(patients)
        for scanner in "AB"
        for k in range(tiles)
    ]


@given(st.integers(2, 12), st.floats(0.05, 0.95), st.integers(0, 99))
def test_no_patient_is_learnt_from_and_tested_on(patients, val_share, seed):
    records = two_scanners(patients)
    train, val, _ = split_tiles(records, val_share, seed)
    assert sorted(train + val) == list(range(len(records)))
    assert not {records[i].patient for i in train} & {records[i].patient for i in val}


def test_a_split_comes_as_near_as_whole_patients_allow_and_is_the_same_each_time():
    records = two_scanners(20)
    train, val, _ = split_tiles(records, 0.25, 1)
    assert len(val) == 30
    assert (train, val, []) == split_tiles(records, 0.25, 1)
    assert val != split_tiles(records, 0.25, 2)[1]


def test_the_same_slide_on_two_scanners_never_crosses_a_split():
    records = [
        record("a", "p1", "slide 7", "A", split="train"),
        record("b", "p1", "slide 7", "B", split="val"),
    ]
    with pytest.raises(MismatchError, match=r"1 patient\(s\) .* p1 in train and val\. Put"):
        split_tiles(records, 0.5, 0)
    named = [record("a", "p1", "s"), record("b", "p2", "s")]
    with pytest.raises(MismatchError, match=r"1 slide\(s\) would be learnt from and .*: s in"):
        check_split(named, ["train", "val"])


def test_a_slide_of_two_patients_is_refused():
    records = [record("a", "p1", "s1"), record("b", "p2", "s1")]
    with pytest.raises(MismatchError, match="The slide s1 belongs to the patients p1 and p2: give"):
        split_tiles(records, 0.5, 0)


def test_a_split_is_named_for_all_or_for_none():
    records = [record("a", "p1", split="train"), record("b", "p2")]
    with pytest.raises(MismatchError, match="Some tiles name their split, but b does not"):
        split_tiles(records, 0.5, 0)


def test_held_out_tiles_are_neither_learnt_from_nor_checked_on():
    splits = ["train", "val", "test"]
    records = [record(s, s, split=s) for s in splits]
    assert split_tiles(records, 0.5, 0) == ([0], [1], [2])


@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 99))
def test_test_patients_are_drawn_of_each_scanner_apart_and_stay_out_of_the_rest(a, b, seed):
    records = [
        record(f"{scanner}{p}{k}", f"{scanner}{p}", f"{scanner}{p}", scanner)
        for scanner, patients in (("A", a), ("B", b))
        for p in range(patients)
        for k in range(2)
    ]
    parts = split_tiles(records, 1 / 6, seed, 1 / 6)
    assert sorted(chain(*parts)) == list(range(len(records)))
    patients = [{records[i].patient for i in part} for part in parts]
    assert not (patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2])
    for scanner, count in (("A", a), ("B", b)):
        of = [len({p for p in part if p.startswith(scanner)}) for part in patients]
        assert all(n == 1 or abs(n - count / 6) <= 0.5 for n in of[1:])
        assert min(of) > 0


def test_one_patient_alone_cannot_be_split():
    with pytest.raises(TrainingError, match=r"nothing to check on: the tiles come from 1 patient"):
        split_tiles([record("a"), record("b")], 0.5, 0)


def test_tiles_of_a_scanner_are_taken_alone_where_the_recipe_says_so():
    recipe = tiny(data__source={"virtual": {"tissues": 6, "side_um": 384}}, data__test=0.2)
    source = recipe.source.open(recipe.data.grid, recipe.labels)
    parts = {split: tiles_of(recipe, source, split) for split in ("train", "val", "test")}
    assert sorted(chain(*parts.values())) == list(range(len(source.records)))
    one = tiny(data__source=recipe.data.source, data__test=0.2, data__scanners=["virtual-B"])
    for split, tiles in parts.items():
        of = [i for i in tiles if source.records[i].scanner == "virtual-B"]
        assert tiles_of(one, source, split) == tiles_of(recipe, source, split, "virtual-B") == of
    with pytest.raises(ParameterError, match=r"'virtual-C' is not known\. Did you mean 'virtual-"):
        tiles_of(recipe, source, "test", "virtual-C")


# --- balancing


def slides_of(groups: dict[str, int], tiles: int = 2):
    return [
        record(f"{g}{s}{scanner}{k}", f"{g}{s}", f"{g}{s}", scanner, g)
        for g, count in groups.items()
        for s in range(count)
        for scanner in "AB"
        for k in range(tiles)
    ]


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 9), min_size=1), st.integers(0, 99))
def test_slides_are_shown_again_none_n_plus_1_times_before_all_n_times(groups, seed):
    records = slides_of(groups)
    counts = BalanceSlides().counts(records, (), seed)
    for group, slides in groups.items():
        of_slide = {r.slide: c for r, c in zip(records, counts, strict=True) if r.group == group}
        assert sum(of_slide.values()) == max(groups.values())
        assert max(of_slide.values()) - min(of_slide.values()) <= 1
        assert len(of_slide) == slides
    # All tiles of all scans of a slide are shown equally often.
    for slide in {r.slide for r in records}:
        assert len({c for r, c in zip(records, counts, strict=True) if r.slide == slide}) == 1


def test_classes_can_stand_2_to_1_to_1():
    shares = {"tumour": (0.5, 0.2, 0.3), "normal": (0.3, 0.7, 0.0), "others": (1.0, 0.0, 0.0)}
    records = [
        record(f"{name}{k}", shares=shares[name])
        for name, count in (("tumour", 10), ("normal", 9), ("others", 3))
        for k in range(count)
    ]
    classes = ("others", "normal", "tumour")
    ratio = {"others": 1.0, "normal": 1.0, "tumour": 2.0}
    counts = BalanceClasses(ratio).counts(records, classes, 0)
    shown = Counter()
    for r, count in zip(records, counts, strict=True):
        shown[r.name[:6]] += int(count)
    assert shown == {"tumour": 18, "normal": 9, "others": 9}
    assert counts.min() >= 1


def test_every_batch_can_stand_2_to_1_to_1():
    counts = np.array([2] * 8 + [1] * 8 + [4] * 2)  # 16, 8 and 8 in an epoch
    strata = [2] * 8 + [1] * 8 + [0] * 2
    order, plain = Order(counts, 5, strata), Order(counts, 5)
    batches = [[order[16 * k + i] for i in range(16)] for k in range(6)]
    for tiles in batches:
        for four in np.reshape([strata[tile] for tile in tiles], (4, 4)):
            assert sorted(four) == [0, 1, 2, 2]
    for epoch in range(3):
        shown = np.bincount(batches[2 * epoch] + batches[2 * epoch + 1])
        np.testing.assert_array_equal(shown, counts)
    assert len({tuple(tiles) for tiles in batches}) == 6
    shares = [sum(strata[plain[16 * k + i]] == 2 for i in range(16)) for k in range(6)]
    assert set(shares) != {8}, "by chance alone they would not"


def test_a_run_shows_every_batch_in_the_ratio(tmp_path):
    folder = write_folder(tmp_path / "data", patients=6)
    for empty in folder.glob("mask/*-0.png"):
        Image.new("L", (64, 64)).save(empty)
    balance = {"classes": {"ratio": {"background": 1, "square": 3}, "every_batch": True}}
    data = prepare(folder_recipe(folder, data__balance=balance))
    shown = [data.train[data.order[place]] for place in range(3 * data.order.epoch_length)]
    main = [BalanceClasses().main(data.source.records[tile]) for tile in shown]
    assert {sum(main[k : k + 4]) for k in range(0, len(main), 4)} == {3}


def test_a_ratio_that_forgets_a_class_is_refused():
    records = slides_of({"colon": 1, "lung": 2})
    with pytest.raises(ParameterError, match="the ratio gives 'lung' no positive share; the data"):
        BalanceSlides({"colon": 1.0}).counts(records, (), 0)


def test_slides_and_scanners_can_be_balanced_by_tiles():
    records = [
        record(f"{k}", f"p{k % 2}" if k < 6 else "p2", scanner="AB"[k > 5]) for k in range(8)
    ]
    by_slide = OversampleSlides().counts(records, (), 0)
    assert sum(by_slide[:6]) == 6
    assert sum(by_slide[6:]) == 3
    by_scanner = BalanceScanners({"A": 1.0, "B": 0.5}).counts(records, (), 0)
    assert sum(by_scanner[:6]) == 6
    assert sum(by_scanner[6:]) == 3


@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.9]))
def test_a_scanner_is_mixed_in_up_to_a_fraction_and_repeated_where_it_does_not_suffice(a, b, f):
    records = [record(f"A{k}") for k in range(a)] + [record(f"B{k}", scanner="B") for k in range(b)]
    counts = MixScanners("B", f).counts(records, (), 7)
    wanted = round(a * f / (1 - f))
    assert counts[:a].tolist() == [1] * a, "those of the source stay as they are"
    assert sum(counts[a:]) == wanted
    assert set(counts[a:]) <= {wanted // b, -(-wanted // b)}, "all once before any twice"


def test_tiles_that_are_not_mixed_in_are_not_measured_either():
    source = {"virtual": {"tissues": 4, "side_um": 384}}
    mixed = tiny(
        data__source=source, data__balance={"mix": {"scanner": "virtual-B", "fraction": 0}}
    )
    alone = tiny(data__source=source, data__scanners=["virtual-A"])
    assert (prepare(mixed).train, prepare(mixed).mean) == (
        prepare(alone).train,
        prepare(alone).mean,
    )
    with pytest.raises(ParameterError, match="'virtual-C' cannot be mixed into other scanners: 0"):
        prepare(tiny(data__balance={"mix": {"scanner": "virtual-C", "fraction": 0.5}}))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9).filter(any), st.integers(0, 99))
def test_every_epoch_shows_each_tile_as_often_as_counted_in_a_new_order(counts, seed):
    counts = np.array(counts)
    order, again = Order(counts, seed), Order(counts, seed)
    length = order.epoch_length
    shown = [order[place] for place in range(3 * length)]
    for epoch in range(3):
        part = shown[epoch * length : (epoch + 1) * length]
        assert np.array_equal(np.bincount(part, minlength=len(counts)), counts)
    # It does not matter where one begins.
    assert [again[place] for place in range(length + 1, 2 * length)] == shown[
        length + 1 : 2 * length
    ]


# --- exclusion, padding, standardisation


@pytest.mark.parametrize(
    ("shares", "kept"),
    [
        ((0.95, 0.0, 0.05), True),  # tumour: always
        ((0.49, 0.51, 0.0), True),
        ((0.50, 0.50, 0.0), False),  # "smaller than 50 %"
        ((1.0, 0.0, 0.0), False),
    ],
)
def test_tumour_is_kept_and_of_the_rest_what_has_less_than_half_background(shares, kept):
    assert keeps(record("a", shares=shares), 0.5) == kept
    assert keeps(record("a", shares=shares), 1.0)


def test_small_tiles_are_padded_evenly_with_one_colour_that_checks_do_not_count():
    tile = np.full((3, 4, 3), 9, np.uint8), np.ones((3, 4), np.uint8)
    rgb, mask = padded(*tile, 8, IGNORE, 7)
    assert rgb.shape == (8, 8, 3)
    assert (rgb[2:5, 2:6] == 9).all()
    assert (rgb == 7).sum() == (64 - 12) * 3
    assert (mask[2:5, 2:6] == 1).all()
    assert (mask == IGNORE).sum() == 64 - 12


def test_colours_are_measured_as_the_paper_defines_them(tmp_path):
    recipe = folder_recipe(write_folder(tmp_path / "data"))
    prepared = prepare(recipe)
    images = [prepared.source.read(i)[0].reshape(-1, 3) / 255 for i in prepared.train]
    mean = np.mean([image.mean(0) for image in images], 0)
    sd = np.sqrt(np.mean([image.var(0, ddof=1) for image in images], 0))
    np.testing.assert_allclose(prepared.mean, mean)
    np.testing.assert_allclose(prepared.std, sd)
    assert measure(prepared.source, prepared.train) == (prepared.mean, prepared.std)


def test_only_tiles_to_learn_from_are_measured(tmp_path):
    folder = write_folder(tmp_path / "data")
    recipe = folder_recipe(folder)
    before = prepare(recipe)
    for i in before.val:
        name = before.source.records[i].name
        Image.new("RGB", (64, 64), (255, 0, 0)).save(folder / "image" / f"{name}.png")
    assert prepare(recipe).mean == before.mean


# --- virtual data


def test_virtual_tiles_and_their_masks_are_those_of_the_tissue():
    prepared = prepare(tiny())
    source = prepared.source
    assert len({r.name for r in source.records}) == len(source.records)
    assert {r.scanner for r in source.records} == {"virtual-A", "virtual-B"}
    for i in (0, len(source.records) - 1):
        rgb, mask = source.read(i)
        assert rgb.shape == (64, 64, 3)
        assert shares_of(mask, 3) == source.records[i].shares
        if (mask == 0).any() and (mask > 0).any():
            assert rgb[mask == 0].mean() > rgb[mask > 0].mean() + 20


def test_the_fingerprint_names_the_data():
    one, same = prepare(tiny()).source.fingerprint, prepare(tiny(seed=9)).source.fingerprint
    assert one == same
    assert prepare(tiny(data__tile_px=96)).source.fingerprint != one


# --- folders


def test_a_folder_gives_its_pictures_with_class_numbers(tmp_path):
    prepared = prepare(folder_recipe(write_folder(tmp_path / "data")))
    for record_, index in zip(prepared.source.records, range(8), strict=True):
        rgb, mask = prepared.source.read(index)
        assert set(np.unique(mask)) == {0, 1}
        assert rgb[mask == 1].mean() < rgb[mask == 0].mean()
        assert record_.shares[1] == pytest.approx(400 / 64**2)
        assert record_.patient == f"patient-{index // 2}"


def test_labels_to_ignore_are_not_counted(tmp_path):
    recipe = folder_recipe(write_folder(tmp_path / "data"))
    grid, classes = Grid(1.0, 64), {"a": ("0",), "b": ("1",)}
    source = recipe.source.open(grid, Labels(classes, ("255",)))
    assert set(np.unique(source.read(0)[1])) == {0, IGNORE}
    assert source.records[0].shares == (1.0, 0.0)


def break_folder(folder, what):
    if what == "size":
        Image.new("L", (60, 64)).save(folder / "mask" / "tile-0-0.png")
    elif what == "missing":
        (folder / "mask" / "tile-1-1.png").unlink()
    elif what == "value":
        Image.new("L", (64, 64), 7).save(folder / "mask" / "tile-0-0.png")
    elif what == "colour":
        Image.new("RGB", (64, 64)).save(folder / "mask" / "tile-0-0.png")
    elif what == "damaged":
        (folder / "mask" / "tile-0-0.png").write_bytes(b"no picture")
    elif what == "cut short":
        picture = folder / "mask" / "tile-0-0.png"
        picture.write_bytes(picture.read_bytes()[: picture.stat().st_size // 2])
    elif what == "large":
        for sub in ("image", "mask"):
            Image.new("L", (80, 64)).save(folder / sub / "tile-0-0.png")
    elif what == "one class":
        for path in (folder / "mask").iterdir():
            Image.new("L", (64, 64)).save(path)
    index = folder / "index.csv"
    text = index.read_text()
    changed = {
        "twice": text + "tile-0-0,patient-0\n",
        "column": text.replace("name,patient", "name,patiant"),
        "empty": "name,patient\n",
        "cell": text + "tile-9-9,\n",
        "split": "name,patient,split\ntile-0-0,patient-0,trian\n",
        "crossing": "name,patient,split\ntile-0-0,p,train\ntile-0-1,p,val\n",
    }
    index.write_text(changed.get(what, text))
    if what == "none":
        index.unlink()
    if what == "folder":
        folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (
            "size",
            r"tile-0-0\.png has 64 x 64 px, its mask 64 x 60: they must show the same\. S",
        ),
        ("missing", r"mask has no file for 1 of 8 names in index\.csv: tile-1-1\. Add what is"),
        ("value", r"The mask tile-0-0\.png has the label '7', which stands for none of the rec"),
        ("colour", r"The mask tile-0-0\.png is a picture in colour \(RGB\): it must hold one"),
        ("damaged", r"tile-0-0\.png cannot be read as a picture \(.*\): save it anew, or take"),
        ("cut short", r"tile-0-0\.png is damaged \(.*\): copy it anew, or take its line out"),
        (
            "folder",
            r"There is no folder .*data: give the one that holds image, mask and inde",
        ),
        ("large", r"tile-0-0\.png has 64 x 80 px, more than data\.tile_px 64"),
        ("one class", r"Every pixel to learn from is 'background'; one class alone teaches noth"),
        ("twice", r"index\.csv lists 'tile-0-0' twice"),
        ("column", r"index\.csv: the column 'patiant' is not known\. Did you mean 'patient'\?"),
        ("empty", r"index\.csv lists nothing"),
        ("cell", r"index\.csv, line 10: 'patient' is missing"),
        ("split", r"line 2: split 'trian' is none of train, val, test"),
        ("crossing", r"1 patient\(s\) would be learnt from and tested on: p in train and val"),
        ("none", r"index\.csv cannot be read as a CSV \(No such file or directory\): its columns"),
    ],
)
def test_folders_that_do_not_fit_together_are_refused(tmp_path, what, message):
    folder = write_folder(tmp_path / "data")
    break_folder(folder, what)
    with pytest.raises((TrainingError, ParameterError, MismatchError), match=message):
        prepare(folder_recipe(folder))


def test_a_label_for_two_classes_is_refused():
    with pytest.raises(ParameterError, match="the label '0' stands for two of them"):
        Labels({"a": ("0",), "b": ("0",)})
    with pytest.raises(ParameterError, match="there are 1; give at least two"):
        Labels({"a": ("0",)})


def test_ebhi_seg_is_split_by_its_own_column(real_data):
    folder = real_data / "ebhi-seg"
    if not folder.is_dir():
        pytest.skip("no EBHI-Seg here")
    recipe = tiny(
        data__source={"ebhi-seg": {"path": str(folder)}},
        data__tile_px=224,
        classes={"background": ["0"], "epithelium": ["255"]},
    )
    source = recipe.source.open(recipe.data.grid, recipe.labels)
    train, val, _ = split_tiles(source.records, 0.2, 0)
    assert (len(train), len(val)) == (1339, 349)
    assert len({r.group for r in source.records}) == 6
    assert source.read(0)[0].shape == (224, 224, 3)


def test_labels_can_name_the_group_of_their_tile(tmp_path):
    folder = write_folder(tmp_path / "data", patients=2)
    lines = (folder / "index.csv").read_text().splitlines()
    groups = ["group", "polyp", "polyp", "cancer", "cancer"]
    (folder / "index.csv").write_text(
        "\n".join(f"{line},{group}" for line, group in zip(lines, groups, strict=True))
    )
    source = {"folder": {"path": str(folder), "by_group": True}}
    classes = {"other": ["0"], "benign": ["255 polyp"], "cancer": ["255 cancer"]}
    recipe = tiny(data__source=source, classes=classes)
    tiles = recipe.source.open(recipe.data.grid, recipe.labels)
    assert [np.unique(tiles.read(k)[1]).tolist() for k in range(4)] == [[0, 1]] * 2 + [[0, 2]] * 2
    plain = folder_recipe(folder)
    assert tiles.fingerprint != plain.source.open(plain.data.grid, plain.labels).fingerprint
    del classes["benign"]
    wrong = tiny(data__source=source, classes=classes)
    with pytest.raises(TrainingError, match="the label '255 polyp', which stands for none"):
        wrong.source.open(wrong.data.grid, wrong.labels)


# --- batches


def test_devices_share_a_batch_and_a_later_start_sees_the_same(tmp_path):
    prepared = prepare(folder_recipe(write_folder(tmp_path / "data")))

    def places(rank, world, first=0):
        loader = Loader(prepared, 64, 4, rank, world)
        return [batch.places for batch in loader.training(first, 5)]

    whole = places(0, 1)
    assert [len(batch) for batch in whole] == [4] * 5
    halves = zip(places(0, 2), places(1, 2), strict=True)
    assert [tuple(sorted(a + b)) for a, b in halves] == whole
    assert places(0, 1, 3) == whole[3:]


def test_checking_shows_every_tile_once_over_all_devices(tmp_path):
    prepared = prepare(folder_recipe(write_folder(tmp_path / "data")))
    names = [
        name
        for rank in range(3)
        for batch in Loader(prepared, 64, 4, rank, 3).checking(2)
        for name in batch.names
    ]
    assert sorted(names) == sorted(prepared.source.records[i].name for i in prepared.val)


def test_a_batch_can_be_cut_into_parts(tmp_path):
    prepared = prepare(folder_recipe(write_folder(tmp_path / "data")))
    batch = next(iter(Loader(prepared, 64, 5).training(0, 1)))
    parts = list(batch.parts(2))
    assert [len(part.places) for part in parts] == [3, 2]
    assert sum((part.names for part in parts), ()) == batch.names


def test_the_folder_classes_are_two():
    assert Labels({k: tuple(v) for k, v in FOLDER_CLASSES.items()}).names == (
        "background",
        "square",
    )


def test_pictures_are_shrunk_to_the_pixel_size_that_the_recipe_wants(tmp_path):
    folder = write_folder(tmp_path / "data")
    source = {"folder": {"path": str(folder), "picture_mpp": 1.0}}
    recipe = tiny(data__source=source, classes=FOLDER_CLASSES, data__mpp=2.0, data__tile_px=32)
    tiles = recipe.source.open(recipe.data.grid, recipe.labels)
    plain = folder_recipe(folder).source.open(Grid(1.0, 64), recipe.labels)
    for index in range(len(tiles.records)):
        (rgb, mask), (fine, fine_mask) = tiles.read(index), plain.read(index)
        assert (rgb.shape, mask.shape) == ((32, 32, 3), (32, 32))
        means = fine.reshape(32, 2, 32, 2, 3).mean((1, 3))
        assert np.abs(rgb - means).max() <= 1
        votes = fine_mask.reshape(32, 2, 32, 2).mean((1, 3))
        assert np.array_equal(mask, votes > 0.5), "the lower label where both are as frequent"
        assert tiles.records[index].shares == shares_of(mask, 2)
    assert tiles.fingerprint != plain.fingerprint
    with pytest.raises(ParameterError, match=r"no whole number of times finer than data\.mpp 2"):
        tiny(
            data__source={"folder": {"path": "x", "picture_mpp": 0.75}}, data__mpp=2.0
        ).source.open(recipe.data.grid, recipe.labels)


def test_tiles_stay_in_memory_until_it_is_full():
    made = []

    def make(index):
        made.append(index)
        return np.full((4, 4, 3), index, np.uint8), np.full((4, 4), index, np.uint8)

    memory = TileMemory(room_bytes=2 * 64)
    for _ in range(2):
        for index in range(3):
            assert memory.get(index, make)[0][0, 0, 0] == index
    assert made == [0, 1, 2, 2], "the third finds no room"


# --- mixed


def mixed_recipe(folder, split=True, **main):
    if split:
        lines = (folder / "index.csv").read_text().splitlines()
        splits = ["split", *["train"] * 6, *["val"] * 2]
        text = "\n".join(f"{line},{end}" for line, end in zip(lines, splits, strict=True))
        (folder / "index.csv").write_text(text)
    return tiny(
        data__source={
            "mixed": {
                "main": {"folder": main},
                "more": [{"virtual": {"tissues": 1, "side_um": 512}}],
                "path": str(folder),
            }
        },
        classes={
            "other": ["0", "background", "other tissue"],
            "epithelium": ["255", "normal epithelium", "tumour"],
        },
    )


def test_more_data_are_learnt_from_and_never_checked_on(tmp_path):
    recipe = mixed_recipe(write_folder(tmp_path / "data"))
    prepared = prepare(recipe)
    names = [prepared.source.records[k].name for k in prepared.val]
    assert names == ["tile-3-0", "tile-3-1"]
    learnt = [prepared.source.records[k] for k in prepared.train]
    virtual = [record for record in learnt if record.name.startswith("tissue-")]
    assert len(learnt) - len(virtual) == 6
    assert virtual
    alone = VirtualData(1, side_um=512).open(recipe.data.grid, recipe.labels)
    for k, seen in enumerate(alone.records):
        place = 8 + k
        assert prepared.source.records[place].name == seen.name
        for mine, theirs in zip(prepared.source.read(place), alone.read(k), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_mixture_names_no_place_and_wants_the_split_of_its_main_data(tmp_path):
    folder = write_folder(tmp_path / "data")
    recipe = mixed_recipe(folder, split=False)
    assert str(tmp_path) not in str(recipe.to_json())
    with pytest.raises(ParameterError, match="main data do not say which tiles are learnt from"):
        prepare(recipe)
    inner = mixed_recipe(folder, split=False, path=str(folder))
    assert str(tmp_path) not in str(inner.to_json())
