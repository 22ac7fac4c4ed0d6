"""The two-level network: both branches look at one place, and only its own parts do what."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("segmentation_models_pytorch")

from contracts.network import model_of, spec_of  # noqa: E402
from slideconcord.errors import ModelError, ParameterError  # noqa: E402
from slideconcord.segmentation.multi_level import (  # noqa: E402
    MultiLevelUnet,
    enlarged,
    under_tile,
)
from slideconcord.segmentation.networks import build  # noqa: E402

SMALL = {
    "encoder_name": "timm-mobilenetv3_small_minimal_100",
    "encoder_depth": 4,
    "decoder_channels": [16, 12, 8, 8],
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: tiny networks spend longer waiting for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def small(downsample: int = 4, classes: int = 3) -> MultiLevelUnet:
    torch.manual_seed(0)
    return MultiLevelUnet(classes, downsample, **SMALL)


def means(image: np.ndarray, stride: int) -> torch.Tensor:
    """Return what an ideal encoder's map of a stride shows: means of blocks."""
    return torch.nn.functional.avg_pool2d(torch.from_numpy(image)[None, None].float(), stride)


@pytest.mark.parametrize("downsample", [2, 4, 8])
@pytest.mark.parametrize("place", [(0, 0), (37, 90), (127, 64)])
def test_the_merge_lays_a_place_over_itself(downsample: int, place: tuple[int, int]):
    """A spot in the scene is at one pixel of the block, and at the same one of what is merged."""
    side, depth = 128, 4
    stride = 2 ** (depth - 1)  # of the second-last block
    scene = np.zeros((side * downsample, side * downsample), np.float32)
    first = side * (downsample - 1) // 2  # where the tile lies in the scene
    scene[first + place[0], first + place[1]] = 1
    tile = scene[first : first + side, first : first + side]
    context = means(scene, downsample)[0, 0].numpy()
    block = means(tile, stride)
    wide = means(context, stride // downsample)  # the low decoder's map that is merged
    here = under_tile(wide, downsample)
    assert here.shape == block.shape
    np.testing.assert_allclose(here.numpy(), block.numpy(), atol=1e-7)


@pytest.mark.parametrize("downsample", [2, 4, 8])
def test_what_is_fused_is_enlarged_about_pixel_centres(downsample: int):
    """A plane stays the same plane: every pixel of the tile reads its own place."""
    side = 64
    rows, columns = np.indices((side * downsample, side * downsample)) + 0.5
    scene = (3 * rows + 5 * columns).astype(np.float32)
    wide = means(scene, downsample)
    first = side * (downsample - 1) // 2
    tile = scene[first : first + side, first : first + side]
    np.testing.assert_allclose(enlarged(wide, downsample)[0, 0].numpy(), tile, rtol=1e-5)


def test_it_merges_maps_of_one_pixel_size():
    """The block and the low decoder's map are as many pixels a µm, for every downsample."""
    for downsample in (2, 4, 8):
        network, sizes = small(downsample), {}
        network.merge.register_forward_hook(
            lambda _, given, out, sizes=sizes: sizes.update(given=given, out=out)
        )
        network.eval()(torch.zeros(1, 6, 64, 64))
        block, wide, factor = sizes["given"]
        assert factor == downsample
        assert [side // downsample for side in wide.shape[2:]] == list(block.shape[2:])
        assert block.shape[2] == 64 // 2**3, "the second-last of four blocks"
        assert sizes["out"].shape == block.shape


def test_training_gives_an_output_for_each_level_and_inference_the_fused_one():
    network = small()
    images = torch.randn(2, 6, 64, 32)
    fused, own, around = network.train()(images)
    assert fused.shape == own.shape == around.shape == (2, 3, 64, 32)
    with torch.no_grad():
        assert network.eval()(images).shape == (2, 3, 64, 32)


def test_own_output_of_the_context_does_not_depend_on_the_tile_but_the_tiles_on_the_context():
    network = small().train()
    for module in network.modules():  # statistics of the batch would tie all together
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    images = torch.randn(1, 6, 64, 64)
    fused, own, around = network(images)
    other = images.clone()
    other[:, :3] += 1
    assert torch.equal(network(other)[2], around)
    assert not torch.equal(network(other)[1], own)
    other = images.clone()
    other[:, 3:, :8] += 1  # far from the tile: 24 px of the tile beyond its edge and more
    moved = network(other)
    assert (moved[1] - own).abs().max() > 0, "the context reaches the tile through the merge"
    assert (moved[0] - fused).abs().max() > 0


def test_the_merge_is_of_1_x_1_convolutions_alone_and_nothing_is_cropped_before():
    merge = small().merge
    kernels = {m.kernel_size for m in merge.modules() if isinstance(m, torch.nn.Conv2d)}
    assert kernels == {(1, 1)}
    for part in (merge.compress, merge.join):  # "multiple ... ensure non-linear compression"
        widths = [(m.in_channels, m.out_channels) for m in part if hasattr(m, "in_channels")]
        assert len(widths) == 2
        assert sum(isinstance(m, torch.nn.ReLU) for m in part) == 2
        assert widths[0][0] > widths[-1][1]
    seen: list[torch.Size] = []
    merge.compress.register_forward_hook(lambda _, given, out: seen.append(given[0].shape[2:]))
    block, wide = torch.randn(1, small().high.channels[-2], 8, 8), torch.randn(1, 8, 32, 32)
    merge.eval()(block, wide, 4)
    assert seen == [(32, 32)]


def test_the_papers_own_network_can_be_built_and_is_larger_than_the_paper_says():
    with torch.device("meta"):
        network = build(spec_of("multi-level-unet", context={"downsample": 4}, input_multiple=32))
        encoders = [network.high.encoder, network.low.encoder]
    each = [sum(p.numel() for p in encoder.parameters()) for encoder in encoders]
    # "only 25 million trainable parameters": two EfficientNet-B4 encoders alone have 35 million.
    assert each == [17_548_616, 17_548_616]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"context": None}, 'needs a context in its description, such as {"downsample": 4}'),
        ({"input_multiple": 8}, "input_multiple must be a multiple of 16"),
        ({"context": {"downsample": 16}}, "downsample 16 needs an encoder_depth above 4"),
        ({"parameters": {**SMALL, "decoder_channels": [8]}}, "has 1 numbers where encoder_depth"),
    ],
)
def test_what_does_not_fit_is_named(fields: dict[str, object], says: str):
    made = {"parameters": SMALL, "context": {"downsample": 4}, "input_multiple": 32, **fields}
    with pytest.raises(ModelError) as error:
        build(spec_of("multi-level-unet", **made))
    assert says in str(error.value)


def test_a_context_for_a_network_that_sees_none_is_refused():
    with pytest.raises(ModelError, match=r"smp-unet sees no context: take it out of model\.json"):
        build(spec_of("smp-unet", context={"downsample": 4}))


def test_openvino_runs_it_as_torch_does():
    pytest.importorskip("openvino")
    spec = spec_of(
        "multi-level-unet", parameters=SMALL, context={"downsample": 4}, input_multiple=32
    )
    model = model_of(spec)
    tiles = np.random.default_rng(0).integers(0, 256, (1, 2, 32, 64, 3), dtype=np.uint8)
    by_openvino = model.on("cpu", "fp32", "openvino")
    assert by_openvino.engine == "openvino"
    np.testing.assert_allclose(
        by_openvino.predict_batch(tiles), model.predict_batch(tiles), atol=2e-3
    )
    with pytest.raises(ParameterError):
        by_openvino.predict_batch(tiles[:, :1])
