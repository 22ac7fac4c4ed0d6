"""The model card: what a model is, what it saw, how good it was, and what it is not for."""

from __future__ import annotations

from typing import Any

from slideconcord.segmentation.spec import ModelSpec

_CARD = """\
# {spec.name} {spec.version}

{description}

Research use only. Not a medical device: nothing here shows that it is fit for diagnosis.

| | |
|---|---|
| architecture | {spec.architecture} |
| input | RGB at {spec.mpp:g} µm per pixel, tiles of {spec.tile_px} px |
| classes | {classes} |
| training data | {spec.training_data} |
| licence | {spec.licence} |
| credit | {credit} |

## What it learnt from

{data[train_tiles]} tiles, and {data[val_tiles]} of other patients to check on; together from
{data[patients]} patients, {data[slides]} slides and the scanners {scanners}.
Pixels to learn from: {shares}.
{measured}

## How good it is

{chosen}

| class | Dice, all pixels of {scores[tiles]} tiles together |
|---|---|
{rows}

Mean over tiles of {spec.target_class}: {tile_dice}.

## How it was made

slideconcord {versions[slideconcord]}, PyTorch {versions[torch]}, seed {seed}, data {fingerprint}.
All settings are in recipe.yaml and run.json of the run.
Weights: SHA-256 {spec.weights_sha256}.
"""
_CHOSEN = {
    "best": "Weights of step {step}, the best on the tiles checked on: expect less on others.",
    "last": "Weights of the last step; the scores below are those of step {step}.",
}


def model_card(spec: ModelSpec, made: dict[str, Any]) -> str:
    """Return the card of a model as Markdown; ``made`` is what run.json says."""
    data, scores, recipe = made["data"], made["scores"], made["recipe"]
    return _CARD.format(
        spec=spec,
        description=spec.description or "A segmentation model.",
        classes=", ".join(spec.classes),
        credit=spec.credit or "none given",
        data=data,
        scanners=", ".join(data["scanners"]),
        shares=", ".join(f"{name} {share:.1%}" for name, share in data["class_shares"].items()),
        measured=_measured(data["measured"]),
        chosen=_CHOSEN[recipe["train"]["keep"]].format(step=scores["step"]),
        scores=scores,
        rows="\n".join(f"| {name} | {_percent(dice)} |" for name, dice in scores["dice"].items()),
        tile_dice=_percent(scores["tile_dice"]),
        versions=made["versions"],
        seed=recipe["seed"],
        fingerprint=data["fingerprint"][:12],
    )


def _measured(parts: list[dict[str, Any]]) -> str:
    """Say on which tiles augmentations measured colours."""
    return "".join(
        f"Augmentation {facts['name']} measured {facts['tiles']} tiles of the training split "
        f"{facts['fitted_on'][:12]}, none of those checked on.\n"
        for facts in parts
    )


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"
