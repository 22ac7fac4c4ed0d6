"""The report holds every number of its tables, no observer's name, and nothing to be fetched."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from slideconcord.annotations import Annotation, Annotations
from slideconcord.comparison.observers.charts import bland_altman_plot, dsc_violins, pairs_of
from slideconcord.comparison.observers.measure import compare_observers
from slideconcord.comparison.observers.methods import REFERENCES, methods_text, references_of
from slideconcord.comparison.observers.naming import Naming
from slideconcord.comparison.observers.options import Comparing
from slideconcord.comparison.observers.pictures import FIRST, picture_worst, worst_pairs
from slideconcord.comparison.observers.readings import Reader, Reading, ReadSlide
from slideconcord.comparison.observers.report import (
    REPORT_FILES,
    TABLES,
    Extras,
    render,
    write_report,
)
from slideconcord.comparison.observers.report_numbers import (
    ALL,
    SHOWN,
    kinds_of,
    mean_matrix,
    readers_of,
)
from slideconcord.comparison.tables import shade
from slideconcord.geometry import Box, Mpp
from slideconcord.slides import open_slide

NAMES = ("Ann Smith", "Bodil", "<b>Cy</b>")
MPP = Mpp(1.0, 1.0)
BOXES = {"s1": (0, 8, 30), "s2": (0, 4, 0), "s3": (10, 10, 14)}
"""By slide, how far each observer's square begins from the first one's."""


def read_slide(name, shifts, case=""):
    drawn = [
        Annotations.of([Annotation(shapely.box(20 + by, 20, 80, 80), "Tumor")]) for by in shifts
    ]
    readings = [Reading(Reader(n), d) for n, d in zip(NAMES, drawn, strict=True)]
    second = Annotations.of([Annotation(shapely.box(20, 20, 80, 78), "Tumor")])
    readings += [
        Reading(Reader(NAMES[0], 2), second),
        Reading(Reader("net", role="model"), drawn[1]),
    ]
    return ReadSlide(f"Doe {name}", (100, 100), MPP, tuple(readings), case)


@pytest.fixture(scope="module")
def slides():
    return [read_slide(name, shifts) for name, shifts in BOXES.items()]


@pytest.fixture(scope="module")
def found(slides):
    return compare_observers(slides, Comparing())


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    """Return the files of a report."""
    return write_report(found, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def html(written):
    return written[0].read_text()


@pytest.fixture
def no_plots(monkeypatch):
    """Let matplotlib not be installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


class Page(HTMLParser):
    """Collects what a browser would fetch, the text, and pictures without one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.alts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.fetched += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]
        if tag == "img":
            self.alts.append(values.get("alt", ""))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "pre"):
            self.text += f" {data}"


def test_the_report_is_one_whole_page_that_needs_no_other(written, html):
    assert [file.name for file in written] == list(REPORT_FILES)
    page = Page(html)
    assert page.open == []
    assert page.fetched == []
    assert "url(" not in html
    assert "@import" not in html
    assert 'lang="en"' in html
    assert "<main>" in html
    for table in html.split("<table")[1:]:
        assert 'scope="col"' in table.split("</table>")[0]


def test_every_number_of_the_tables_is_in_the_page(found, html):
    text, tables = Page(html).text, found.tables
    for row in tables["summary"].records():
        if row["statistic"] not in SHOWN or row["mean"] != row["mean"]:
            continue
        digits = 1 if row["statistic"].endswith("_um") else 3
        assert f"{row['mean']:.{digits}f}" in text
        if row["first"] == ALL:
            for low, high in (("t_low", "t_high"), ("bootstrap_low", "bootstrap_high")):
                assert f"{row[low]:.{digits}f} to {row[high]:.{digits}f}" in text
    for row in tables["areas"].records():
        for name in ("bias", "lower", "upper"):
            value, low, high = (row[f"{name}{end}_um2"] * 1e-6 for end in ("", "_low", "_high"))
            assert f"{value:.4f}" in text
            assert f"{low:.4f} to {high:.4f}" in text
    for row in tables["slides"].records():
        for name in ("fleiss_kappa", "krippendorff_alpha", "mean_dsc", "min_dsc"):
            assert f"{row[name]:.3f}" in text
    for row in tables["readers"].records():
        if row["role"] == "observer":
            assert f"{row['area_um2'] * 1e-6:.4f}" in text
            assert f"{row['consensus_dsc']:.3f}" in text


def test_the_matrix_holds_the_means_of_each_pair_over_cases(found):
    readers = readers_of(found, "Tumor")
    matrix = mean_matrix(found.summary_table(), "Tumor", "dsc", readers)
    values = [slide.classes["Tumor"].pair(readers[0], readers[2]).dsc for slide in found.slides]
    assert matrix[0, 2] == matrix[2, 0] == pytest.approx(np.mean(values))
    assert np.isnan(np.diag(matrix)).all()


def test_tables_and_json_hold_what_was_measured(found, written):
    folder = written[0].parent
    rows = list(csv.DictReader((folder / "pairs.csv").open()))
    pairs = [p for slide in found.slides for c in slide.classes.values() for p in c.pairs]
    assert [float(row["dsc"]) for row in rows] == [pair.dsc for pair in pairs]
    told = json.loads((folder / "agreement.json").read_text())
    assert len(told["pairs"]) == len(pairs)
    # the list of readers and the table of readers are two things
    assert told["all_readers"] == [asdict(each) for each in found.readers]
    assert len(told["readers"]) == len(found.tables["readers"].records())
    assert {name for name in found.tables if isinstance(told[name], list)} == set(TABLES)
    assert told["virtual"] == []


def test_slides_that_nobody_scanned_are_called_virtual(slides, no_plots, tmp_path):
    unscanned = [replace(each, virtual="VIRTUAL, no patient") for each in slides[:2]]
    html, facts, *_ = write_report(compare_observers([*unscanned, slides[2]]), tmp_path)
    assert Page(html.read_text()).text.count("Virtual data: VIRTUAL, no patient.") == 1
    assert json.loads(facts.read_text())["virtual"] == ["VIRTUAL, no patient"]


def test_no_name_of_observer_slide_or_case_is_in_any_file(written, html):
    for file in written:
        # what pictures are coded as holds any three letters
        text = re.sub(r'"data:[^"]+"', "", file.read_text())
        for name in (*NAMES, "Doe", "&lt;b&gt;Cy"):
            assert name not in text
    assert "observer 3" in html
    assert "net" in html


def test_names_that_are_wanted_are_text_and_never_markup(slides, no_plots):
    html = render(compare_observers(slides, Comparing(), names=True))
    assert "Ann Smith" in html
    assert "<b>Cy" not in html
    assert "&lt;b&gt;Cy" in html


def test_the_first_sentence_says_who_agrees_how_well(found, html):
    text = Page(html).text
    inter = kinds_of(found.summary_table(), "Tumor")[0]["cells"]["dsc"]
    interval = f"{inter['bootstrap_low']:.3f} to {inter['bootstrap_high']:.3f}, 3 cases"
    assert f"mean DSC of {inter['mean']:.3f} ({interval})" in text
    assert "one observer in two rounds with" in text
    assert "the model with observers and consensus with" in text
    assert "Virtual data" not in text


def test_empty_readings_are_counted_by_rule(slides, no_plots):
    nobody = [replace(r, found=Annotations()) for r in slides[0].readings[:2]]
    empty = replace(slides[0], readings=(*nobody, *slides[0].readings[2:3]))
    found = compare_observers([empty], Comparing())
    html = render(found)
    page = Page(html)
    assert "one marked nothing" in page.text
    # two with nothing, once; nothing against something, twice; and each with an empty consensus
    counts = html.split("Empty readings")[1].split("</table>")[0]
    assert [int(part.split("<")[0]) for part in counts.split("<td>")[2::2]] == [0, 3, 3]


def test_without_matplotlib_there_are_no_plots_but_all_numbers(found, no_plots):
    page = Page(render(found))
    assert page.alts == []
    assert "Every pair" in page.text


def test_plots_say_in_words_what_they_show(found, html):
    pytest.importorskip("matplotlib")
    alts = Page(html).alts
    assert len(alts) == 2
    mean = np.mean([pair.dsc for _, pair in pairs_of(found, "Tumor")["observer 1 – observer 2"]])
    assert f"observer 1 – observer 2 mean {mean:.3f}" in alts[0]
    assert "Bland-Altman" in alts[1]


def test_figures_show_a_dot_for_each_case_and_the_limits_of_the_table(found):
    pytest.importorskip("matplotlib")
    pairs = pairs_of(found, "Tumor")
    panels = bland_altman_plot(pairs).axes
    assert [len(panel.collections[0].get_offsets()) for panel in panels] == [3, 3, 3]
    rows = [row for row in found.area_table().records() if row["kind"] == "inter"]
    for panel, row in zip(panels, rows, strict=True):
        lines = sorted(line.get_ydata()[0] for line in panel.lines)
        ends = [row[name] * 1e-6 for name in ("lower_um2", "bias_um2", "upper_um2")]
        assert lines == pytest.approx(sorted([0.0, *ends]))
        assert panel.get_title().startswith(f"{row['first']} – {row['second']}\nn = 3")
    joined = {name: [("one case", pair) for _, pair in some] for name, some in pairs.items()}
    panel = bland_altman_plot(joined).axes[0]
    first = [p for _, p in pairs["observer 1 – observer 2"]]
    (dot,) = panel.collections[0].get_offsets()
    assert dot[1] == pytest.approx(sum(p.difference_um2 for p in first) * 1e-6)
    # one case has a bias and no limits
    assert len(panel.lines) == 2
    names = [text.get_text() for text in dsc_violins(found, "Tumor").axes[0].get_xticklabels()]
    assert names[0] == "observer 1\nobserver 2\nn = 3"


# --- the methods section ----------------------------------------------------------------------


def test_the_methods_section_says_what_was_done(found):
    text = " ".join(methods_text(found))
    assert text.startswith("Three observers annotated three slides of three cases for Tumor; one ")
    assert "one observer read again in another round" in text
    assert "were left out. " not in text
    assert "net was compared with them" in text
    assert "pixels of 1 µm" in text
    assert "All pixels of the slides were counted." in text
    assert "tolerance of 10 µm" in text
    assert "more than half" in text
    assert "95 % intervals" in text
    from slideconcord import __version__

    assert f"slideconcord {__version__}" in text
    sources = references_of(found)
    assert len(sources) == len(set(sources)) == text.count("[")
    for number in range(1, len(sources) + 1):
        assert f"[{number}]" in text
    assert REFERENCES["Warfield"] not in sources


def test_the_methods_section_follows_the_options(slides):
    small = compare_observers(slides, Comparing(min_region_um2=50.0))
    assert "regions under 50 µm² were left out." in " ".join(methods_text(small))
    few = Comparing(mpp=2.0, consensus="staple", surfaces=False, regions=False, confidence=0.9)
    found = compare_observers(slides, few)
    text = " ".join(methods_text(found))
    assert "STAPLE" in text
    assert REFERENCES["Warfield"] in references_of(found)
    assert "Hausdorff" not in text
    assert "surface Dice at a tolerance" not in text
    assert "union" not in text
    assert "pixels of 2 µm" in text
    assert "90 % intervals" in text


# --- pictures ---------------------------------------------------------------------------------


def test_the_worst_slide_comes_first(found):
    worst = worst_pairs(found, 5)
    values = [each.pair.dsc for each in worst]
    assert values == sorted(values)
    lowest = min(p.dsc for s in found.slides for p in s.classes["Tumor"].pairs if p.kind == "inter")
    assert values[0] == lowest


def test_pictures_show_the_slide_with_both_outlines(tiny_slide_path, no_plots):
    with open_slide(tiny_slide_path) as slide:
        boxes = [(400, 300, 1200, 900), (400, 300, 1000, 900), (400, 300, 1190, 900)]
        readings = [
            Reading(Reader(n), Annotations.of([Annotation(shapely.box(*b), "Tumor")]))
            for n, b in zip(NAMES, boxes, strict=True)
        ]
        read = Naming().slide(ReadSlide.of(slide, readings, tissue=None))
        found = compare_observers([read], Comparing(), names=True)
        (picture,) = picture_worst(found, [(slide, read)])
        assert picture.pair == ("observer 1", "observer 2")
        assert picture.dispute.area_um2 == pytest.approx(200 * 600 / 4)
        # 1000 x 750 µm at 2 µm
        assert picture.overview.shape == (375, 500, 3)
        plain = slide.read_grid(2.0, Box(0, 0, 375, 500)).astype(int)
        changed = np.abs(picture.overview.astype(int) - plain).sum(-1) > 30
        assert changed[160, 200]
        assert not changed[:70].any()
        near = np.abs(picture.detail.astype(int) - FIRST).sum(-1) < 60
        assert near.any()
        html = render(found, Extras([picture]))
    page = Page(html)
    assert html.count("data:image/jpeg") == 2
    assert all(page.alts)
    assert "yellow observer 1 alone, green observer 2 alone, blue both" in " ".join(page.alts)
    for name in NAMES:
        assert name not in html


# --- colours ----------------------------------------------------------------------------------


def _luminance(colour):
    linear = [c / 3294.6 if c < 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@given(st.floats(-1, 2, allow_nan=False))
def test_numbers_can_be_read_on_every_ground(value):
    bright, dark = sorted((_luminance(c) for c in shade(value)), reverse=True)
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_every_statistic_of_the_report_is_one_that_is_measured(found):
    assert set(SHOWN) <= set(found.summary_table().column("statistic"))
    assert readers_of(found, "Tumor")[-1].role == "consensus"
