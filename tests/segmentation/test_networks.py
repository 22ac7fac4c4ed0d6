"""Every architecture in the table, held to the contract."""

from __future__ import annotations

import pytest

from contracts.network import NetworkTests, spec_of
from slideconcord.errors import ModelError
from slideconcord.segmentation.networks import NETWORKS, build
from slideconcord.segmentation.published import PAN_CANCER

SMALL = {"encoder_name": "resnet18"}


class TestStainDensity(NetworkTests):
    spec = spec_of(
        "stain-density",
        parameters={"blur_um": 3.0, "centre": 0.4, "slope": 0.05},
        classes=("stain-dense",),
        activation="none",
    )


class TestUnet(NetworkTests):
    spec = spec_of(
        "smp-unet",
        parameters={**SMALL, "decoder_channels": [32, 16, 16, 8, 8]},
        input_multiple=32,
        mean=(0.8, 0.7, 0.8),
        std=(0.1, 0.15, 0.1),
    )


class TestDeepLabV3Plus(NetworkTests):
    spec = spec_of(
        "smp-deeplabv3plus",
        parameters=SMALL,
        input_multiple=16,
        classes=("tumour",),
        activation="sigmoid",
    )


class TestStainSeparation(NetworkTests):
    spec = spec_of(
        "stain-separation-unet",
        parameters={**SMALL, "decoder_channels": [32, 16, 16, 8, 8]},
        input_multiple=32,
    )


class TestStainSeparationOfOneClassAsInTheAuthorsCode(NetworkTests):
    spec = spec_of(
        "stain-separation-unet",
        parameters={**SMALL, "reconstruction": "normalised-rgb"},
        input_multiple=32,
        classes=("tumour",),
        activation="sigmoid",
    )


class TestPanCancer(NetworkTests):
    spec = PAN_CANCER.changed(tile_px=64, overlap_px=16)
    shape = (32, 16)


@pytest.mark.parametrize("name", sorted(name for name in NETWORKS if name.startswith("smp-")))
def test_every_smp_architecture_can_be_built(name: str):
    pytest.importorskip("segmentation_models_pytorch")
    network = build(spec_of(name, parameters=SMALL))
    assert sum(p.numel() for p in network.parameters()) > 1_000_000


def test_an_unknown_architecture_lists_the_known():
    with pytest.raises(ModelError, match="wants the architecture 'resnet'; known are stain-dens"):
        build(spec_of("resnet"))


def test_an_unknown_encoder_says_what_was_asked_for():
    with pytest.raises(ModelError, match=r"smp-unet cannot be built from .*'nonsense'"):
        build(spec_of("smp-unet", parameters={"encoder_name": "nonsense"}))


def test_pretrained_weights_are_never_fetched():
    with pytest.raises(ModelError, match="encoder_weights"):
        build(spec_of("smp-unet", parameters={**SMALL, "encoder_weights": "imagenet"}))


def test_stain_density_refuses_constants_without_meaning():
    with pytest.raises(ModelError, match="needs positive values"):
        build(spec_of("stain-density", parameters={"blur_um": 0.0, "centre": 0.4, "slope": 0.05}))


class TestMultiLevel(NetworkTests):
    spec = spec_of(
        "multi-level-unet",
        parameters={
            "encoder_name": "timm-mobilenetv3_small_minimal_100",
            "encoder_depth": 4,
            "decoder_channels": [16, 12, 8, 8],
        },
        context={"downsample": 4},
        input_multiple=32,
    )
