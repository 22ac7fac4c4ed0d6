"""One tissue, many scanners, many observers, one answer you can check.

Every public name is loaded at its first use, so ``import slideconcord`` loads
neither torch nor Qt nor napari.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any

__version__ = metadata.version("slideconcord")

_HOME = {
    "open_slide": "slides",
    "Slide": "slides",
    "load_model": "segmentation.model",
    "Model": "segmentation.model",
    "predict": "segmentation.predict",
    "predict_tiles": "segmentation.predict",
    "check_shift": "segmentation.shift",
    "ProbabilityMap": "segmentation.probability",
    "open_probability": "segmentation.probability",
    "hysteresis": "segmentation.hysteresis",
    "index_thresholds": "segmentation.hysteresis",
    "ThresholdIndex": "segmentation.threshold_index",
    "Thresholds": "segmentation.thresholds",
    "Tuning": "segmentation.tuning",
    "Edit": "segmentation.tuning",
    "tune": "segmentation.tune",
    "exact_mask": "segmentation.exact",
    "Mask": "segmentation.mask",
    "open_mask": "segmentation.mask",
    "postprocess": "segmentation.postprocess",
    "PanCancer": "segmentation.postprocess",
    "find_tissue": "segmentation.tissue",
    "TissueOptions": "segmentation.tissue_pixels",
    "find_regions": "segmentation.regions",
    "Case": "comparison.case",
    "CaseScan": "comparison.case",
    "case_of": "comparison.case",
    "read_case": "comparison.case_files",
    "write_case": "comparison.case_files",
    "register_case": "comparison.case_registration",
    "compare_scanners": "comparison.concordance.measure",
    "Concordance": "comparison.concordance.result",
    "Measuring": "comparison.concordance.options",
    "ScannerStudy": "comparison.concordance.study",
    "study_of": "comparison.concordance.study",
    "compare_observers": "comparison.observers.measure",
    "ObserverAgreement": "comparison.observers.result",
    "Comparing": "comparison.observers.options",
    "Reader": "comparison.observers.readings",
    "Reading": "comparison.observers.readings",
    "ReadSlide": "comparison.observers.readings",
    "agreement_of_ratings": "comparison.observers.ratings",
    "survey_scans": "comparison.scan_landscape",
    "IndexedScan": "comparison.scan_grid",
    "ScanLandscape": "comparison.scan_landscape",
    "compare_masks": "comparison.compare",
    "Scores": "comparison.compare",
    "METRICS": "comparison.metrics",
    "match_regions": "comparison.regions",
    "sweep_thresholds": "comparison.sweep",
    "register": "comparison.registration.methods",
    "register_steps": "comparison.registration.methods",
    "Registration": "comparison.registration.value",
    "read_registration": "comparison.registration.files",
    "confusion_overlay": "comparison.overlay",
    "Annotation": "annotations",
    "Annotations": "annotations",
    "read_annotations": "annotations",
    "write_annotations": "annotations",
    "Study": "annotations.studies",
    "open_study": "annotations.studies",
    "Box": "geometry",
    "Mpp": "geometry",
    "SlideconcordError": "errors",
}
__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
