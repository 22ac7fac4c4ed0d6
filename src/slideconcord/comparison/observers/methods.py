"""The methods section of a paper, written from what was really done; every claim has a source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slideconcord.comparison.observers.result import ObserverAgreement

REFERENCES = {
    "Dice": "Dice LR. Measures of the amount of ecologic association between species. "
    "Ecology 1945;26:297-302.",
    "Cohen": "Cohen J. A coefficient of agreement for nominal scales. "
    "Educ Psychol Meas 1960;20:37-46.",
    "Fleiss": "Fleiss JL. Measuring nominal scale agreement among many raters. "
    "Psychol Bull 1971;76:378-382.",
    "Krippendorff": "Krippendorff K. Content analysis: an introduction to its methodology, "
    "2nd ed. Sage 2004.",
    "Huttenlocher": "Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the "
    "Hausdorff distance. IEEE Trans Pattern Anal Mach Intell 1993;15:850-863.",
    "Nikolov": "Nikolov S, et al. Clinically applicable segmentation of head and neck anatomy for "
    "radiotherapy. J Med Internet Res 2021;23:e26151.",
    "Warfield": "Warfield SK, Zou KH, Wells WM. Simultaneous truth and performance level "
    "estimation (STAPLE). IEEE Trans Med Imaging 2004;23:903-921.",
    "Efron": "Efron B, Tibshirani RJ. An introduction to the bootstrap. Chapman & Hall 1993.",
    "Bland": "Bland JM, Altman DG. Measuring agreement in method comparison studies. "
    "Stat Methods Med Res 1999;8:135-160.",
}
"""What the text can cite, by the name it cites it with."""


def methods_text(found: ObserverAgreement) -> list[str]:
    """Return the paragraphs of a methods section, with numbers in brackets for what it cites."""
    cited = _Cited()
    paragraphs = [
        _readings(found),
        _pixels(found),
        _statistics(found, cited),
        _consensus(found, cited),
        _intervals(found, cited),
        _software(found.provenance),
    ]
    return [text for text in paragraphs if text]


def references_of(found: ObserverAgreement) -> list[str]:
    """Return what the methods section cites, in the order in which it does."""
    cited = _Cited()
    for part in (_statistics, _consensus, _intervals):
        part(found, cited)
    return [REFERENCES[name] for name in cited.names]


class _Cited:
    """Numbers sources as they are cited."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, name: str) -> str:
        if name not in self.names:
            self.names.append(name)
        return f"[{self.names.index(name) + 1}]"


def _readings(found: ObserverAgreement) -> str:
    observers = {r.name for r in found.readers if r.role == "observer"}
    models = {r.name for r in found.readers if r.role == "model"}
    again = {r.name for r in found.readers if r.role == "observer" and r.round > 1}
    cases = {slide.case for slide in found.slides}
    classes = [name for name in found.class_names if name]
    text = f"{_count(len(observers), 'observer')} annotated {_count(len(found.slides), 'slide')} "
    text += f"of {_count(len(cases), 'case')}"
    text += f" for {_listed(classes)}" if classes else ""
    text += (
        f"; {_count(len(again), 'observer').lower()} read again in another round" if again else ""
    )
    text += f"; {_listed(sorted(models))} was compared with them" if len(models) == 1 else ""
    text += f"; the models {_listed(sorted(models))} were compared" if len(models) > 1 else ""
    return text + "."


def _pixels(found: ObserverAgreement) -> str:
    sizes = _listed(list(dict.fromkeys(f"{slide.grid.mpp.y:.3g}" for slide in found.slides)))
    text = f"Readings were compared on pixels of {sizes} µm; a pixel belongs to an outline when "
    text += "its centre lies inside. "
    share = [slide.counted_px / math.prod(slide.grid.shape) for slide in found.slides]
    if min(share) < 1:
        return text + "Only tissue was counted; white background entered no statistic."
    return text + "All pixels of the slides were counted."


def _statistics(found: ObserverAgreement, cited: _Cited) -> str:
    options = found.options
    sentences = [
        "For every pair of readings we computed the Dice similarity coefficient, "
        f"DSC = 2|A ∩ B| / (|A| + |B|) {cited('Dice')}, and Cohen's kappa over the counted pixels "
        f"{cited('Cohen')}; for all observers of a round, Fleiss' kappa {cited('Fleiss')} and "
        f"Krippendorff's alpha {cited('Krippendorff')}."
    ]
    if options.surfaces:
        sentences.append(
            "Between borders we computed the 95th percentile of the Hausdorff distance, the larger "
            f"of both directions {cited('Huttenlocher')}, and the surface Dice at a tolerance of "
            f"{options.tolerance_um:g} µm {cited('Nikolov')}."
        )
    if options.regions:
        sentences.append(
            "Regions (4-connected) of two readings were taken for the same where their "
            "intersection over union was above one half"
            + (
                f"; regions under {options.min_region_um2:g} µm² were left out."
                if options.min_region_um2
                else "."
            )
        )
    sentences.append(
        "Where one of two readings was empty, DSC and surface Dice were 0 and distances undefined; "
        "where both were, all were undefined. Undefined values were left out of means and counted."
    )
    return " ".join(sentences)


def _consensus(found: ObserverAgreement, cited: _Cited) -> str:
    rules = {c.consensus.rule for s in found.slides for c in s.classes.values() if c.consensus}
    if not rules:
        return ""
    if "staple" in rules:
        return (
            "The consensus was estimated by STAPLE, with the mean share that observers marked as "
            f"prior {cited('Warfield')}."
        )
    return (
        "The consensus held the pixels that more than half of the observers marked; a tie was "
        "background."
    )


def _intervals(found: ObserverAgreement, cited: _Cited) -> str:
    percent = f"{100 * found.options.confidence:g} %"
    return (
        f"Means are over cases, with {percent} intervals by percentile bootstrap of whole cases "
        f"({found.options.draws} draws, seed {found.options.seed}) {cited('Efron')} and by "
        "Student's t distribution. Differences of areas are given as bias and limits of agreement, "
        f"1.96 standard deviations to either side {cited('Bland')}."
    )


def _software(provenance: Mapping[str, Any]) -> str:
    versions = provenance.get("versions", {})
    named = [
        f"{name} {versions[name]}"
        for name in ("slideconcord", "python", "numpy", "opencv-python-headless")
        if name in versions
    ]
    return f"Computed with {_listed(named)}." if named else ""


def _count(number: int, what: str) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    text = words[number] if number < len(words) else str(number)
    text = text if what == "observer" else text.lower()
    return f"{text} {what}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
