"""The report holds every number, no name of a file, and nothing that must be fetched."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from comparison.registered_cases import HUB, discs, registered_case
from slideconcord.comparison.concordance.charts import curves_chart, scores_chart
from slideconcord.comparison.concordance.looks import patch_facts
from slideconcord.comparison.concordance.measure import compare_scanners
from slideconcord.comparison.concordance.options import Measuring
from slideconcord.comparison.concordance.pictures import FIRST, picture_worst, worst_regions
from slideconcord.comparison.concordance.report import Extras, render, write_report
from slideconcord.comparison.concordance.result import ALONE
from slideconcord.comparison.concordance.study import study_of

DISCS = discs()
APART = np.add(DISCS, (5.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    case = registered_case(folder, {HUB: DISCS, "turned": DISCS, "shifted": APART})
    return replace(case, case=replace(case.case, virtual="VIRTUAL, no patient"))


@pytest.fixture(scope="module")
def found(registered):
    return compare_scanners(registered, Measuring(regions=3, region_um=150.0))


class Outside(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.fetched += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]


def test_the_report_needs_no_other_file_and_says_what_must_be_said(registered, found, tmp_path):
    pictures = picture_worst(registered.case, found, 2)
    files = write_report(study_of([found]), tmp_path, Extras(pictures))
    html = files[0].read_text()
    assert Outside(html).fetched == []
    assert "url(" not in html
    assert "@import" not in html
    assert ALONE in html
    assert "VIRTUAL, no patient" in html
    assert html.count("data:image/jpeg") == 4
    for a, b in found.pairs:
        i, j = found.scanners.index(a), found.scanners.index(b)
        assert f"{found.dice()[i, j]:.4f}" in html
        assert f"{found.ceilings['slide'][i, j]:.4f}" in html
    for scan in found.provenance["scans"]:
        assert scan["fingerprint"][:12] in html
    rows = list(csv.DictReader((tmp_path / "pairs.csv").open()))
    assert float(rows[0]["slide_dice"]) == found.dice()[0, 1]
    told = json.loads((tmp_path / "concordance.json").read_text())
    assert told["cases"][0]["levels"]["slide"]["dice"] == found.dice().tolist()
    assert told["warnings"][0] == ALONE


def test_file_names_appear_only_when_asked_for(registered, found):
    scans = found.provenance["scans"]
    names = {each["fingerprint"]: f"Jane Doe {each['scanner']}.svs" for each in scans}
    assert "Jane Doe" not in render(study_of([found]))
    assert "Jane Doe turned.svs" in render(study_of([found]), Extras(names=names))
    everything = json.dumps(study_of([found]).to_json())
    assert ".tif" not in everything
    assert str(registered.case.scans[0].path.parent) not in everything


def test_what_a_name_holds_is_text_and_never_markup(found):
    bad = "<script>alert(1)</script>"
    renamed = replace(found, case=bad, excluded=(), scanners=(HUB, bad, "shifted"))
    renamed = replace(
        renamed,
        shown_um2={**found.shown_um2, bad: 1.0},
        provenance={
            **found.provenance,
            "scans": [*found.provenance["scans"], {"scanner": bad, "fingerprint": "f" * 64}],
        },
    )
    html = render(study_of([renamed]))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_what_was_left_out_is_in_the_report(registered):
    failed = replace(
        registered.registrations["shifted"], status="failed", reason="Other tissue than hub."
    )
    changed = replace(registered, registrations={**registered.registrations, "shifted": failed})
    html = render(study_of([compare_scanners(changed, Measuring(regions=0))]))
    assert "Its registration failed: Other tissue than the hub." in html


def test_the_worst_regions_are_those_of_the_lowest_dice(registered, found):
    ranked = worst_regions(found, 3)
    lowest = np.nanmin(np.where(np.eye(3, dtype=bool), np.nan, found.region_dice()))
    assert ranked[0][2] == lowest
    assert [r[2] for r in ranked] == sorted(r[2] for r in ranked)
    picture = picture_worst(registered.case, found, 1)[0]
    assert picture.pair == ranked[0][1]
    # where both outlines cross the tissue, their colours are in both pictures
    for rgb in picture.pictures:
        assert (np.abs(rgb.astype(int) - FIRST).sum(-1) < 60).any()


def test_outlines_lie_where_the_masks_edges_are(registered, found):
    from slideconcord.comparison.concordance.pictures import _rings
    from slideconcord.slides import open_slide

    region = found.regions[0].region
    with open_slide(registered.case.scan(HUB).path) as hub:
        rings = _rings(found.outlines["shifted"], region, hub)
    assert rings
    centre, radius = APART[:, :2], APART[:, 2]
    for ring in rings:
        points = ring[:, ::-1] * region.side_um + (region.y_um, region.x_um)
        off = np.abs(np.hypot(*(points[:, None] - centre).T).T - radius).min(axis=1)
        # half a pixel of 2 µm along each axis
        assert off.max() < 2.0


def test_appearance_is_measured_in_the_same_regions(registered, found):
    facts = patch_facts(registered.case, found)
    assert [f.scanner for f in facts] == list(found.scanners)
    places = [(p.region.y_um, p.region.x_um) for p in facts[0].patches]
    assert places == [(r.region.y_um, r.region.x_um) for r in found.regions]


def test_charts_place_values_on_their_axis():
    rows = [{"name": "<a>", "value": 0.75, "low": 0.7, "high": 0.8, "ceiling": 1.0}]
    svg = scores_chart(rows, "name", "Dice")
    assert "&lt;a&gt;" in svg
    # the axis begins at 0.6, a tenth below what is lowest
    centre = float(re.search(r'cx="([\d.]+)"', svg)[1])
    assert centre == pytest.approx(250 + 420 * (0.75 - 0.6) / 0.4)
    undefined = scores_chart(
        [{"name": "b", "value": float("nan"), "low": float("nan")}], "name", ""
    )
    assert "undefined" in undefined
    assert curves_chart({"a": [float("nan")]}, "Dice") == ""
    assert curves_chart({"a": [0.5, 0.9]}, "Dice").count("<polyline") == 1
