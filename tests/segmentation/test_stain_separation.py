"""The stain-separation network: checklist (b) 1 to 6 and 10, one test each."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.network import spec_of
from slideconcord.errors import ModelError
from slideconcord.segmentation.networks import build

torch = pytest.importorskip("torch")
smp = pytest.importorskip("segmentation_models_pytorch")

from slideconcord.segmentation.stain_separation import (  # noqa: E402
    RECONSTRUCTIONS,
    StainSeparationUnet,
    optical_density,
)

SMALL = {"encoder_name": "mobilenet_v2", "encoder_depth": 3, "decoder_channels": [16, 8, 8]}


def small(reconstruction: str = "optical-density", classes: int = 2):
    torch.manual_seed(0)
    return StainSeparationUnet(classes, **SMALL, reconstruction=reconstruction).eval()


def example(seed: int = 0):
    return torch.randn((2, 3, 32, 48), generator=torch.Generator().manual_seed(seed))


def parameters_of(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_item_1_optical_density_of_white_is_0_and_of_a_tenth_of_the_light_2_3():
    images = torch.tensor([255.0, 25.5, 1.0, 0.0])
    expected = [0.0, np.log(10), np.log(255), np.log(255)]
    np.testing.assert_allclose(optical_density(images), expected, rtol=1e-6)


def test_item_2_one_encoder_feeds_both_decoders():
    network, calls = small(), []
    network.encoder.register_forward_hook(lambda *_: calls.append(1))
    network(example(), with_stains=True).density.sum().backward()
    assert calls == [1]
    reached = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is not None}
    assert reached == {"encoder", "density_decoder", "density_head"}


def test_items_3_and_4_a_colour_a_stain_and_a_density_a_stain_in_every_pixel():
    found = small()(example(), with_stains=True)
    assert found.matrix.shape == (2, 2, 3, 32, 48)
    assert found.density.shape == (2, 2, 32, 48)
    assert found.matrix.std((3, 4)).min() > 0, "the matrix is each pixel's own"
    assert min(found.matrix.min(), found.density.min()) >= 0, "light is only ever absorbed"


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_item_5_the_product_is_that_of_each_pixels_matrix_and_density(name: str):
    network = small(name)
    found = network(example(), with_stains=True)
    rebuilt = network.reconstruction.rebuilt(found.matrix, found.density)
    assert rebuilt.shape == (2, 3, 32, 48)
    for tile, y, x in [(0, 0, 0), (1, 31, 47), (0, 7, 40)]:
        amounts = found.density[tile, :, y, x].detach().numpy()  # H: (stain,)
        colours = found.matrix[tile, :, :, y, x].detach().numpy()  # W: (stain, colour)
        product = amounts @ colours
        if name == "normalised-rgb":
            product = np.clip(product, -1, 1)
        np.testing.assert_allclose(rebuilt[tile, :, y, x].detach(), product, atol=1e-6)


def test_item_6_the_head_is_one_convolution_over_the_eight_channels():
    network = small()
    images = example()
    found = network(images, with_stains=True)
    head = network.segmentation_head[0]
    assert (head.in_channels, head.kernel_size) == (8, (3, 3))
    eight = torch.cat([found.matrix.flatten(1, 2), found.density], 1)
    logits = torch.nn.functional.conv2d(eight, head.weight, head.bias, padding=1)
    torch.testing.assert_close(found.logits, logits)
    torch.testing.assert_close(network(images), logits)


@pytest.mark.parametrize(("classes", "expected"), [(1, 70_404_641), (2, 70_404_714)])
def test_item_10_with_efficientnet_b7_it_has_the_stated_parameters(classes: int, expected: int):
    with torch.device("meta"):
        network = StainSeparationUnet(classes)
        unet = smp.Unet("efficientnet-b7", encoder_weights=None, classes=6)
    assert parameters_of(network) == expected
    # The authors' network: a U-Net of six classes, another of its decoders, and two heads.
    heads = (16 * 9 + 1) * 2 + (8 * 9 + 1) * classes
    assert expected == parameters_of(unet) + parameters_of(unet.decoder) + heads


def test_the_two_kinds_rebuild_optical_density_and_the_networks_own_input():
    images, normalised = torch.full((1, 3, 2, 2), 25.5), example()[:1, :, :2, :2]
    density = RECONSTRUCTIONS["optical-density"].target(images, normalised)
    assert density.flatten().tolist() == pytest.approx([np.log(10)] * 12)
    assert RECONSTRUCTIONS["normalised-rgb"].target(images, normalised) is normalised


def test_an_unknown_reconstruction_lists_the_known():
    spec = spec_of("stain-separation-unet", parameters={"reconstruction": "rgb"})
    with pytest.raises(ModelError, match=r"'rgb' is none of \['optical-density', 'normalised-rgb"):
        build(spec)
