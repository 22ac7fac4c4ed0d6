"""The trained models that come with slideconcord: small, credited, as good as their cards say."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import slideconcord as sc
from slideconcord.segmentation import model_files
from slideconcord.segmentation.model_files import default_model, find_models

pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")
TRAINED = sorted(find_models().keys() - {"stain-density"})
MOST_BYTES = 12_000_000


@pytest.mark.parametrize("name", TRAINED)
def test_a_bundled_model_is_small_and_its_card_is_honest(name):
    folder = find_models()[name]
    assert (folder / "weights.safetensors").stat().st_size <= MOST_BYTES
    card = (folder / "MODEL_CARD.md").read_text()
    for said in ("Research use only", "CC BY 4.0", "10.3389/fmed.2023.1114673", "not for",
                 "Adenocarcinoma", "virtual-DP200", "worst pair"):  # fmt: skip
        assert said in card, said
    model = sc.load_model(name, device="cpu")
    assert model.spec.weights_sha256 in card
    assert model.spec.licence == "CC-BY-4.0"


def test_the_default_needs_its_libraries(monkeypatch):
    assert default_model() == "colon-epithelium"
    monkeypatch.setattr(model_files, "_TRAINED_NEEDS", ("no_such_library",))
    assert default_model() == "stain-density"


def dice(found, truth) -> float:
    return 2 * (found & truth).sum() / max(int(found.sum() + truth.sum()), 1)


def test_colon_epithelium_finds_the_epithelium_of_virtual_tissue():
    from slideconcord.geometry import Box
    from slideconcord.samples.presets import FIVE_SCANNERS
    from slideconcord.samples.tissue import CLASS_NAMES, VirtualTissue

    model = sc.load_model("colon-epithelium", device="cpu")
    tissue = VirtualTissue(77, 600, 600)
    scanner = replace(FIVE_SCANNERS["virtual-GT450"], mpp=1.0)
    box = Box(0, 0, *(side // 32 * 32 for side in scanner.shape(tissue)))
    names = np.array([name in ("normal epithelium", "tumour") for name in CLASS_NAMES])
    found = model(scanner.view(tissue, box))[1] > 0.5
    assert dice(found, names[scanner.truth(tissue, box)]) > 0.8


def test_colon_epithelium_is_as_good_as_its_card_says_on_real_tissue(real_data):
    folder = real_data / "ebhi-seg"
    if not folder.is_dir():
        pytest.skip("no EBHI-Seg here")
    model = sc.load_model("colon-epithelium", device="cpu")
    rows = [row for row in csv.DictReader((folder / "index.csv").open()) if row["split"] == "val"]
    scores = []
    for row in rows[::10]:
        (image,) = (folder / "image").glob(f"{row['name']}.*")
        (mask,) = (folder / "mask").glob(f"{row['name']}.*")
        truth = np.asarray(Image.open(mask)) > 0
        found = model(np.asarray(Image.open(image).convert("RGB")))[1] > 0.5
        scores.append(dice(found, truth))
    assert np.mean(scores) > 0.93
