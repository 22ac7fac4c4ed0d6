"""Slides with readings whose agreement is known exactly, and what must be refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from sklearn.metrics import cohen_kappa_score

from annotations.studies.study_folders import make_study, square
from slideconcord.annotations import Annotation, Annotations
from slideconcord.annotations.raster import rasterise
from slideconcord.annotations.studies import open_study
from slideconcord.comparison.compare import compare_masks
from slideconcord.comparison.observers import measure, shapes
from slideconcord.comparison.observers.measure import compare_observers, measure_observers
from slideconcord.comparison.observers.options import Comparing
from slideconcord.comparison.observers.readings import Reader, Reading, ReadSlide
from slideconcord.errors import MismatchError, ParameterError
from slideconcord.geometry import Frame, Mpp
from slideconcord.segmentation.mask import Mask

MPP, SHAPE = Mpp(0.5, 0.5), (600, 800)
NAMES = "Ada", "Ben", "Cleo"


def drawn(*boxes, class_name="Tumor"):
    """Return boxes (x0, y0, x1, y1) in level-0 pixels as annotations."""
    return Annotations.of([Annotation(shapely.box(*box), class_name) for box in boxes])


def read_slide(*readings, name="Doe", **more):
    given = [Reading(Reader(n) if isinstance(n, str) else n, found) for n, found in readings]
    return ReadSlide(name, SHAPE, MPP, tuple(given), **more)


def shifted(by, name="Doe", case=""):
    """Return a slide on which every observer's box lies further to the right."""
    boxes = (drawn((100 + k * by, 100, 300 + k * by, 300)) for k in range(3))
    return read_slide(*zip(NAMES, boxes, strict=True), name=name, case=case)


def tumor(slide, **options):
    return compare_observers([slide], Comparing(**options)).slides[0].classes["Tumor"]


def test_boxes_that_are_shifted():
    found = tumor(shifted(20))
    ada, ben, cleo, consensus = found.readers
    # 100 x 100 px of 1 µm, shifted by 10 and 20
    assert [found.pair(ada, each).dsc for each in (ben, cleo, consensus)] == [0.9, 0.8, 0.9]
    assert found.pair(ben, consensus).dsc == 1
    pair = found.pair(ada, cleo)
    assert pair.surface.hd_um == 20
    assert pair.surface.hd95_um == 20
    assert (pair.regions.tp, pair.regions.fp, pair.regions.fn) == (1, 0, 0)
    assert pair.difference_um2 == 0
    assert pair.first_um2 == 10_000
    np.testing.assert_array_equal(found.matrix(), found.matrix().T)
    assert np.diag(found.matrix()).tolist() == [1, 1, 1, 1]


def test_every_number_is_that_of_comparing_two_masks():
    slide = shifted(36)
    found = tumor(slide)
    frame = Frame(0.0, 0.0, 2.0, 2.0)
    pixels = [rasterise(each.found, frame, (300, 400)) for each in slide.readings]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        pair = found.pair(found.readers[i], found.readers[j])
        expected = compare_masks(pixels[i], pixels[j])
        assert pair.counts == expected.counts
        assert pair.dsc == expected.dsc
        kappa = cohen_kappa_score(pixels[i].ravel(), pixels[j].ravel())
        assert pair.kappa == pytest.approx(kappa, abs=1e-12)


def test_only_tissue_counts_and_cuts_readings():
    slide = shifted(20)
    tissue = drawn((0, 0, 800, 200), class_name=None)
    found = tumor(replace(slide, tissue=tissue))
    whole = tumor(slide)
    assert found.tally.pixels == 400 * 100
    assert found.pairs[0].first_um2 == whole.pairs[0].first_um2 / 2
    # the surface of a reading that is cut runs along the tissue's edge
    assert found.pairs[0].surface.first_px == 2 * (100 + 50) - 4


@pytest.mark.parametrize("rule", ["majority", "staple"])
def test_a_slide_without_tissue_says_so(rule):
    slide = replace(shifted(20), tissue=drawn())
    found = compare_observers([slide], Comparing(consensus=rule))
    assert found.slides[0].counted_px == 0
    assert {row["empty"] for row in found.pair_table().records()} == {"both"}
    assert math.isnan(found.slide_table().records()[0]["fleiss_kappa"])
    assert any(w.startswith("Nothing counts on slide 1") for w in found.warnings)


def test_masks_say_what_their_outlines_say():
    slide = shifted(20)
    frame = Frame(0.0, 0.0, 2.0, 2.0)
    masks = [
        replace(
            reading,
            found=Mask(rasterise(reading.found, frame, (300, 400)), frame, MPP, class_name="Tumor"),
        )
        for reading in slide.readings
    ]
    same = compare_observers([replace(slide, readings=tuple(masks))])
    assert same.pair_table().rows == compare_observers([slide]).pair_table().rows


def test_blocks_and_bands_leave_no_trace(monkeypatch):
    slide = shifted(20)
    whole = compare_observers([slide]).pair_table().rows
    monkeypatch.setattr(measure, "_BLOCK_PX", 37)
    monkeypatch.setattr(shapes, "_BAND_PX", 400 * 7)
    assert compare_observers([slide]).pair_table().rows == whole


@pytest.mark.parametrize("rule", ["majority", "staple"])
def test_a_model_and_a_second_round_do_not_vote(rule):
    slide = shifted(20)
    more = (
        Reading(Reader("Ada", 2), drawn((0, 0, 40, 40))),
        Reading(Reader("net", role="model"), drawn((500, 0, 540, 40))),
    )
    found = tumor(replace(slide, readings=slide.readings + more), consensus=rule)
    assert found.consensus.readers == tuple(Reader(f"observer {k}") for k in (1, 2, 3))
    kinds = [pair.kind for pair in found.pairs]
    counts = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    assert counts == {"model": 5, "inter": 3, "intra": 1, "consensus": 4, "rounds": 2}


def test_empty_readings_fall_under_their_rule_and_are_counted():
    one = read_slide(("A", drawn((0, 0, 40, 40))), ("B", drawn()), name="one")
    both = read_slide(("A", drawn()), ("B", drawn()), name="both")
    full = read_slide(("A", drawn((0, 0, 40, 40))), ("B", drawn((0, 0, 40, 40))), name="full")
    found = compare_observers([one, both, full])
    rows = [r for r in found.pair_table().records() if r["kind"] == "inter"]
    assert [(row["empty"], row["class"]) for row in rows] == [
        ("one", "Tumor"),
        ("both", "Tumor"),
        ("none", "Tumor"),
    ]
    assert rows[0]["dsc"] == rows[0]["surface_dice"] == 0
    assert math.isnan(rows[0]["hd95_um"])
    assert math.isnan(rows[1]["dsc"])
    dsc = next(
        row
        for row in found.summary_table().records()
        if (row["kind"], row["statistic"], row["first"]) == ("inter", "dsc", "all")
    )
    assert (dsc["pairs"], dsc["one_empty"], dsc["both_empty"], dsc["undefined"]) == (3, 1, 1, 1)
    assert dsc["mean"] == 0.5
    assert dsc["mean_without_empty"] == 1
    assert dsc["mean_both_empty_as_1"] == pytest.approx(2 / 3)
    assert any("In 2 pairs one reader marked nothing, in 4 both" in w for w in found.warnings)


def test_a_class_that_was_asked_for_and_nobody_marked_is_compared():
    slide = replace(shifted(20), classes=("Tumor", "Necrosis"))
    found = compare_observers([slide]).slides[0].classes["Necrosis"]
    assert {pair.empty for pair in found.pairs} == {"both"}


def test_the_class_of_every_pixel():
    both = [
        Annotations.of([*drawn((100, 100, 300, 300)), *drawn(stroma, class_name="Stroma")])
        for stroma in ((200, 100, 400, 300), (260, 100, 420, 300))
    ]
    found = compare_observers([read_slide(*zip("AB", both, strict=True))])
    frame = Frame(0.0, 0.0, 2.0, 2.0)
    labels = []
    for each in both:
        of = {c: rasterise(each.of_class(c), frame, (300, 400)) for c in ("Tumor", "Stroma")}
        labels.append(np.where(of["Stroma"], 2, of["Tumor"].astype(int)).ravel())
    row = found.label_table().records()[0]
    assert row["kappa"] == pytest.approx(cohen_kappa_score(*labels), abs=1e-12)
    assert row["agreement"] == np.mean(labels[0] == labels[1])
    assert row["pixels"] == 300 * 400


def test_the_others_do_not_hold_the_reader_himself():
    rows = compare_observers([shifted(20)]).reader_table().records()
    by_name = {row["reader"]: row for row in rows}
    # of two others, both must mark a pixel: Ben's and Cleo's share 90 columns, Ada's lie apart
    both = 90 * 100
    shared = 80 * 100
    assert by_name["observer 1"]["others_dsc"] == 2 * shared / (100 * 100 + both)
    assert by_name["observer 2"]["consensus_dsc"] == 1
    assert math.isnan(by_name["consensus (majority)"]["others_dsc"])


def test_names_stay_unless_they_are_asked_for():
    slides = [shifted(20, "Doe A", "Doe"), shifted(30, "Doe B", "Doe")]
    hidden = compare_observers(slides)
    text = json.dumps(hidden.to_json())
    assert not any(name in text for name in (*NAMES, "Doe"))
    assert hidden.names["observer 2"] == "Ben"
    assert hidden.names["slide 2"] == "Doe B"
    shown = json.dumps(compare_observers(slides, names=True).to_json())
    assert all(name in shown for name in (*NAMES, "Doe A"))


def test_slides_come_one_by_one():
    steps = measure_observers(iter([shifted(20, "a"), shifted(30, "b")]))
    assert next(steps).slide == "slide 1"
    assert next(steps).slide == "slide 2"


def test_what_cannot_be_compared_is_refused():
    slide = shifted(20)
    with pytest.raises(ParameterError, match="There is no slide to compare observers on"):
        compare_observers([])
    with pytest.raises(ParameterError, match="has fewer than two readings of one class"):
        compare_observers([replace(slide, readings=slide.readings[:1])])
    with pytest.raises(ParameterError, match=r"compare at that or more, not 0\.25"):
        compare_observers([slide], Comparing(mpp=0.25))
    with pytest.raises(ParameterError, match="give the second reading another round"):
        compare_observers([replace(slide, readings=(*slide.readings, slide.readings[0]))])
    other = replace(slide.readings[0].found, metadata={"slide_fingerprint": "x"})
    strange = replace(slide, fingerprint="y", readings=(Reading(Reader("A"), other),) * 2)
    with pytest.raises(MismatchError, match="was made on another slide than slide 1"):
        compare_observers([strange])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"consensus": "all"}, "give majority or staple"),
        ({"tolerance_um": -1.0}, "give 0 or more"),
        ({"draws": 1}, "give 100 or more"),
        ({"confidence": 2.0}, "between 0 and 1"),
        ({"mpp": 0.0}, "not a pixel size"),
    ],
)
def test_options_out_of_range_are_refused(values, said):
    with pytest.raises(ParameterError, match=said):
        Comparing(**values)


def test_a_tolerance_below_a_pixel_is_told():
    assert any(
        "less than a pixel of 1 µm" in w
        for w in compare_observers([shifted(20)], Comparing(tolerance_um=0.5)).warnings
    )


@pytest.fixture
def study(tmp_path, tiny_slide_path):
    made = make_study(tmp_path / "study", tiny_slide_path)
    for observer, at in (("o1", 200), ("o2", 240)):
        with made.desk(observer).open("s1") as reading:
            reading.finish([square(at, side=400)])
    with made.desk("o1").open("s2") as reading:
        reading.finish([square(100)])
    return open_study(made.folder)


def test_a_study_compares_what_is_finished(study):
    found = compare_observers(study)
    assert [slide.slide for slide in found.slides] == ["s1"]
    row = found.pair_table().records()[0]
    assert (row["first"], row["second"], row["class"]) == ("observer 1", "observer 2", "Tumor")
    assert found.class_names == ("Tumor", "Stroma")
    assert found.options.mpp == study.agreement.mpp
    assert "o1" not in json.dumps(found.to_json())
    assert compare_observers(study, names=True).pair_table().records()[0]["first"] == "o1"


def test_a_region_of_a_study_is_all_that_counts(study):
    from slideconcord.annotations import write_annotations

    place = study.folder / "region.geojson"
    write_annotations(drawn((200, 200, 600, 600)), place)
    first, second = study.slides
    whole = replace(study, agreement=replace(study.agreement, tissue_only=False))
    within = replace(whole, slides=(replace(first, region=place), second))
    assert compare_observers(within).slides[0].counted_px == 200 * 200
    # o2's square begins 40 level-0 pixels further on and is cut
    row = compare_observers(within).pair_table().records()[0]
    assert (row["first_um2"], row["second_um2"]) == (200 * 200, 180 * 180)


def test_a_study_without_two_finished_readings_is_told_what_to_do(tmp_path, tiny_slide_path):
    empty = make_study(tmp_path / "empty", tiny_slide_path)
    with pytest.raises(ParameterError, match="has two finished readings: let observers finish"):
        compare_observers(empty)
