"""Model folders: what is accepted, what is refused and how it is said."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.network import spec_of
from slideconcord.errors import ModelError, ModelMemoryError, OutputError, ParameterError
from slideconcord.segmentation.checkpoint import read_checkpoint
from slideconcord.segmentation.model import (
    Model,
    ModelSpec,
    find_models,
    import_checkpoint,
    list_models,
    load_model,
    save_model,
)
from slideconcord.segmentation.networks import build

torch = pytest.importorskip("torch")

UNET = spec_of(
    "smp-unet",
    parameters={"encoder_name": "resnet18", "decoder_channels": [16, 16, 8, 8, 8]},
    input_multiple=32,
)


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    torch.manual_seed(0)
    return build(UNET).state_dict()


@pytest.fixture
def folder(tmp_path: Path, state: dict[str, Any]) -> Path:
    save_model(tmp_path / "unet", UNET, state)
    return tmp_path / "unet"


def test_a_saved_model_may_be_read_by_whoever_may_read_its_description(folder: Path) -> None:
    modes = {(folder / name).stat().st_mode for name in ("model.json", "weights.safetensors")}
    assert len(modes) == 1


@pytest.fixture
def user_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_args, **_options: tmp_path / "home")
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home" / "models"


def change(folder: Path, **fields: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_the_bundled_baseline_loads_and_is_listed(user_home: Path):
    assert "stain-density" in [spec.name for spec in list_models()]
    model = load_model("stain-density")
    assert model.spec.target_class == "stain-dense"
    assert (model.device, model.precision) == ("cpu", "fp32")
    assert model(np.full((40, 50, 3), 255, np.uint8)).max() < 1 / 255


def test_saved_weights_come_back(folder: Path, state: dict[str, Any]):
    model = load_model(folder, device="cpu", precision="fp32")
    module = build(UNET)
    module.load_state_dict(state)
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with torch.inference_mode():
        image = torch.from_numpy(tile).permute(2, 0, 1)[None].float() / 255
        expected = module.eval()(image).softmax(dim=1)[0].numpy()
    np.testing.assert_allclose(model(tile), expected, atol=1e-5)


def test_a_users_model_is_found_by_name(user_home: Path, folder: Path):
    folder.rename(user_home / "mine")
    assert find_models()["mine"] == user_home / "mine"
    assert load_model("mine", device="cpu").name == "test"


def test_a_broken_model_is_left_out_of_the_list_and_logged(
    user_home: Path, caplog: pytest.LogCaptureFixture
):
    (user_home / "bad").mkdir()
    (user_home / "bad" / "model.json").write_text("{")
    assert "bad" not in [spec.name for spec in list_models()]
    assert len(list_models()) == len(find_models()) - 1
    assert "bad" in caplog.text
    assert "is not JSON" in caplog.text


def test_an_unknown_name_lists_the_known(tmp_path: Path):
    with pytest.raises(ModelError, match=r"No model 'colon'.*known names are .*stain-density"):
        load_model("colon")
    with pytest.raises(ModelError, match=r"no folder with model.json"):
        load_model(tmp_path)


def test_exchanged_weights_are_refused(folder: Path):
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"not those its model.json names"):
        load_model(folder)


def test_absent_weights_are_named(folder: Path):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights.safetensors"):
        load_model(folder)


def test_weights_of_another_architecture_list_the_differences(folder: Path):
    change(folder, classes=["a", "b", "c"])
    with pytest.raises(
        ModelError,
        match=r"2 of another shape: segmentation_head.0.weight \(2, .*instead of \(3, ",
    ):
        load_model(folder)


def test_missing_and_unknown_keys_are_counted(tmp_path: Path, state: dict[str, Any]):
    renamed = {f"x.{key}" if "encoder" in key else key: value for key, value in state.items()}
    save_model(tmp_path / "m", UNET, renamed)
    with pytest.raises(ModelError, match=r"\d+ missing: encoder.* more; \d+ unknown: x\.encoder"):
        load_model(tmp_path / "m")


def test_weights_of_another_kind_of_number_are_refused(tmp_path: Path, state: dict[str, Any]):
    key = next(key for key, tensor in state.items() if tensor.is_floating_point())
    save_model(tmp_path / "m", UNET, {**state, key: state[key].int()})
    with pytest.raises(ModelError, match=r"1 of another kind: .* torch.int32"):
        load_model(tmp_path / "m")


def test_another_number_of_parameters_is_refused(folder: Path):
    change(folder, parameter_count=73_472_403)
    with pytest.raises(ModelError, match=r"parameters, but model 'test' has 73,472,403"):
        load_model(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"low": 0.9, "high": 0.5}, "low 0.9 is above high 0.5"),
        ({"overlap_px": 64}, "overlap_px 64 is not below tile_px 64"),
        ({"std": [0, 1, 1]}, "std .* not positive"),
        ({"classes": ["a", "a"]}, "name one class twice"),
        ({"target": "nerve"}, "'nerve' is none of the classes"),
        ({"mpp": 1000}, "mpp: "),
        ({"name": "../up"}, "name: "),
        ({"colour": "red"}, "colour: Extra inputs"),
    ],
)
def test_impossible_descriptions_are_refused(folder: Path, fields: dict[str, Any], message: str):
    change(folder, **fields)
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_the_hash_follows_pixels_and_not_names():
    assert UNET.changed(name="other", licence="x", low=0.1).hash == UNET.hash
    for fields in ({"mpp": 0.5}, {"mean": (0.1, 0, 0)}, {"weights_sha256": "0" * 64}):
        assert UNET.changed(**fields).hash != UNET.hash


def test_saving_never_replaces_by_accident(folder: Path, state: dict[str, Any]):
    with pytest.raises(OutputError, match="exists"):
        save_model(folder, UNET, state)
    save_model(folder, UNET, state, overwrite=True)
    assert [path.name for path in folder.parent.iterdir()] == ["unet"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": {f"model.{k}": v for k, v in state.items()}, "epoch": 3},
        lambda state: {"network_state": {f"module.{k}": v for k, v in state.items()}, "step": 1},
    ],
    ids=["plain", "lightning", "data-parallel"],
)
def test_checkpoints_of_training_programs_are_imported(
    tmp_path: Path, state: dict[str, Any], wrap: Callable[[dict[str, Any]], Any]
):
    torch.save(wrap(state), tmp_path / "checkpoint.pt")
    spec = import_checkpoint(tmp_path / "checkpoint.pt", UNET, tmp_path / "model")
    assert spec.weights_sha256
    assert load_model(tmp_path / "model", device="cpu").hash == spec.hash


def test_a_checkpoint_goes_to_the_users_models(
    tmp_path: Path, user_home: Path, state: dict[str, Any]
):
    torch.save(state, tmp_path / "c.pt")
    import_checkpoint(tmp_path / "c.pt", UNET)
    assert find_models()["test"] == user_home / "test"


class Malice:
    """What a pickle can do: call anything when it is opened."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def test_a_malicious_checkpoint_is_refused_and_runs_nothing(tmp_path: Path, state: dict[str, Any]):
    torch.save({**state, "extra": Malice(tmp_path / "owned")}, tmp_path / "c.pt")
    with pytest.raises(ModelError, match=r"c.pt is refused: .*could run code"):
        import_checkpoint(tmp_path / "c.pt", UNET, tmp_path / "model")
    assert not (tmp_path / "owned").exists()
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no checkpoint|refused"), (b"PK\x03\x04 broken", "no checkpoint|refused")],
)
def test_damaged_checkpoints_are_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(ModelError, match=message):
        import_checkpoint(tmp_path / "c.pt", UNET, tmp_path / "model")


@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_damaged_anywhere_is_refused_by_name(tmp_path: Path, legacy: bool):
    path, draw = tmp_path / "c.pt", np.random.default_rng(0)
    torch.save({"w": torch.ones(5)}, path, _use_new_zipfile_serialization=not legacy)
    whole = path.read_bytes()
    for _ in range(150):
        damaged = bytearray(whole[: draw.integers(1, len(whole))])
        for place in draw.integers(0, len(damaged), draw.integers(0, 4)):
            damaged[place] ^= 1 << draw.integers(0, 8)
        path.write_bytes(damaged)
        with suppress(ModelError):
            state = read_checkpoint(path)
            assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "c.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c/data.pkl", bytes(1 << 20))
    with pytest.raises(ModelError, match="would unpack to 1,048,576 bytes"):
        read_checkpoint(tmp_path / "c.pt")


def test_keys_that_become_one_and_values_that_are_no_numbers_are_refused(
    tmp_path: Path, state: dict[str, Any]
):
    key = "encoder.conv1.weight"
    torch.save({**state, "other": state[key]}, tmp_path / "c.pt")
    with pytest.raises(ModelError, match=f"{key} and other name the same weights twice"):
        import_checkpoint(
            tmp_path / "c.pt", UNET, tmp_path / "m", rename=lambda k: key if k == "other" else k
        )
    torch.save({**state, key: state[key] * float("nan")}, tmp_path / "c.pt")
    with pytest.raises(ModelError, match=f"no numbers: 1 keys: {key}"):
        import_checkpoint(tmp_path / "c.pt", UNET, tmp_path / "m")


def test_a_checkpoint_without_weights_says_what_it_holds(tmp_path: Path):
    torch.save({"optimiser": {}, "epoch": 3}, tmp_path / "c.pt")
    with pytest.raises(ModelError, match="it holds: optimiser, epoch"):
        import_checkpoint(tmp_path / "c.pt", UNET, tmp_path / "model")


def test_a_missing_checkpoint_is_named(tmp_path: Path):
    with pytest.raises(ModelError, match="is no file"):
        import_checkpoint(tmp_path / "c.pt", UNET, tmp_path / "model")


class Greedy(torch.nn.Module):
    """A network that runs out of memory above a batch size."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.batches: list[int] = []

    def forward(self, images: Any) -> Any:
        self.batches.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return images[:, :2]


def greedy_model(most: int) -> tuple[Model, Greedy]:
    from slideconcord.segmentation.torch_runner import TorchRunner

    module = Greedy(most)
    return Model(UNET, TorchRunner(module, UNET, "cpu", "fp32")), module


def test_out_of_memory_halves_the_batch_and_remembers():
    model, module = greedy_model(3)
    tiles = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    scores = model.predict_batch(tiles)
    np.testing.assert_array_equal(scores, np.stack([model(tile) for tile in tiles]))
    assert module.batches[:6] == [8, 4, 2, 2, 2, 2]
    module.batches.clear()
    model.predict_batch(tiles)
    assert module.batches == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("device", "advice"),
    [
        ("cuda", r"compute on the CPU \(--device cpu\), or choose a model with smaller tiles"),
        ("cpu", r"Close other programs, or choose a model with smaller tiles"),
    ],
)
def test_a_tile_too_large_for_memory_says_what_to_do(device: str, advice: str):
    model, _ = greedy_model(0)
    runner: Any = model._runner
    # As on a GPU, but for the GPU.
    runner._device, runner.device = torch.device(device), device
    with pytest.raises(
        ModelMemoryError, match=rf"a tile of 32 x 32 px does not .*{advice}"
    ) as told:
        model(np.zeros((32, 32, 3), np.uint8))
    assert (told.value.device, told.value.model) == (device, "test")


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory():
    model, module = greedy_model(9)
    module.forward = lambda images: images.view(-1, 7)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="invalid for input"):
        model(np.zeros((32, 32, 3), np.uint8))


def test_a_network_with_other_classes_than_named_is_refused():
    model, module = greedy_model(9)
    module.forward = lambda images: images  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"names 2 classes, but .* \(1, 3, 32, 32\)"):
        model(np.zeros((32, 32, 3), np.uint8))


def test_a_network_that_answers_other_pixels_is_refused():
    model, module = greedy_model(9)
    module.forward = lambda images: images[:, :2].repeat(1, 1, 2, 2)  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"answers 32 x 32 px with 64 x 64: correct"):
        model(np.zeros((32, 32, 3), np.uint8))


def test_padding_is_even_on_both_sides_and_taken_off_again():
    spec = UNET.changed(pad_value=51, input_multiple=16, activation="none")
    from slideconcord.segmentation.torch_runner import TorchRunner

    seen: list[Any] = []
    module = Greedy(9)
    module.forward = lambda images: seen.append(images) or images[:, :2]  # type: ignore[method-assign]
    model = Model(spec, TorchRunner(module, spec, "cpu", "fp32"))
    tile = np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    scores = model(tile)
    assert seen[0].shape == (1, 3, 32, 48)
    np.testing.assert_allclose(scores, tile[..., :2].transpose(2, 0, 1) / np.float32(255))
    border = seen[0].numpy().copy()
    border[:, :, 1:31, 3:44] = np.float32(51 / 255)
    np.testing.assert_allclose(border, 51 / 255, atol=1e-7)


def test_nothing_global_is_set_in_torch(folder: Path):
    before = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    load_model(folder, device="cpu")(np.zeros((64, 64, 3), np.uint8))
    after = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    assert before == after


def test_bf16_is_near_fp32(folder: Path):
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    exact = load_model(folder, device="cpu", precision="fp32")
    rough = exact.on(precision="bf16")
    assert (exact.precision, rough.precision) == ("fp32", "bf16")
    assert 0 < np.abs(exact(tile) - rough(tile)).max() < 0.1


def test_openvino_answers_as_pytorch_does(folder: Path):
    pytest.importorskip("openvino")
    tiles = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    model = load_model(folder, device="cpu", precision="fp32")
    other = model.on(engine="openvino", precision="fp32")
    assert (other.engine, other.precision) == ("openvino", "fp32")
    rounded = model.on(engine="openvino", precision="bf16").predict_batch(tiles)
    np.testing.assert_allclose(rounded, model.predict_batch(tiles), atol=0.05)
    first = other.predict_batch(tiles)
    np.testing.assert_allclose(first, model.predict_batch(tiles), atol=1e-4)
    other.predict_batch(tiles[::-1])
    np.testing.assert_array_equal(other.predict_batch(tiles), first)


@pytest.mark.parametrize(("has_it", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_a_processor_made_for_bf16_takes_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, has_it: bool, chosen: str
):
    monkeypatch.setattr("slideconcord.segmentation.device._has_fast_bf16", lambda: has_it)
    assert load_model(folder, device="cpu").precision == chosen
    assert load_model(folder, device="cpu", precision="fp32").precision == "fp32"


def test_a_network_is_compiled_for_tiles_of_one_shape(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[dict[str, bool]] = []
    monkeypatch.setattr(torch, "compile", lambda module, **how: asked.append(how) or module)
    model = load_model(folder, device="cpu", precision="fp32")
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    fused = model.on(engine="compile", precision="fp32")
    np.testing.assert_array_equal(fused(tile), model(tile))
    assert asked == [{"dynamic": False}]


def test_a_network_that_cannot_be_compiled_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch):
    exceptions = pytest.importorskip("torch._dynamo.exc")

    def fails(_images: Any) -> Any:
        raise exceptions.TorchDynamoException("No working C++ compiler found.\nSet VERBOSE=1")

    monkeypatch.setattr(torch, "compile", lambda _module, **_how: fails)
    model = load_model(folder, device="cpu").on(engine="compile")
    with pytest.raises(ModelError, match=r"compiled here \(No working C\+\+ compiler found\)\. Ch"):
        model(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_answers_as_the_cpu_does_with_many_batches_under_way(folder: Path):
    slow = load_model(folder, device="cpu", precision="fp32")
    fast = load_model(folder, device="cuda", precision="fp32")
    tiles = np.random.default_rng(0).integers(0, 256, (6, 2, 256, 256, 3), dtype=np.uint8)
    begun = [fast.begin_batch(batch) for batch in tiles]
    for finish, batch in zip(begun, tiles, strict=True):
        off = np.abs(finish().astype(int) - slow.quantise_batch(batch))
        assert off.max() <= 1


def test_openvino_that_is_not_installed_says_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ModelError, match=r"pip install 'slideconcord\[openvino\]'"):
        load_model(folder, device="cpu").on(engine="openvino")


def test_an_engine_that_nobody_knows_is_refused(folder: Path):
    with pytest.raises(
        ParameterError, match=r"engine='steam' is not known\. Choose eager, compile"
    ):
        load_model(folder, device="cpu").on(engine="steam")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "toaster"}, ModelError, "Device 'toaster' is not known"),
        ({"device": "cpu", "precision": "fp8"}, ParameterError, "precision='fp8' is not known"),
        ({"device": "cpu", "precision": "fp16"}, ParameterError, "A CPU does not compute in fp16"),
    ],
)
def test_impossible_devices_are_refused(
    folder: Path, arguments: dict[str, str], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        load_model(folder, **arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_named(folder: Path):
    with pytest.raises(ModelError, match=r"'cuda' was asked for, but this PyTorch .* finds none"):
        load_model(folder, device="cuda")


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32), np.zeros((0, 9, 3), np.uint8)],
)
def test_images_of_another_shape_or_dtype_are_refused(image: np.ndarray):
    with pytest.raises(ParameterError, match=r"takes RGB \(y, x, 3\) uint8"):
        load_model("stain-density")(image)


def test_a_function_of_the_wrong_shape_is_refused():
    spec: ModelSpec = spec_of("stain-density")
    model = Model.from_function(spec, lambda rgb: np.zeros(rgb.shape[:2], np.float32))
    with pytest.raises(ModelError, match=r"answered with the shape \(9, 9\)"):
        model(np.zeros((9, 9, 3), np.uint8))
