"""The model card: what a model is, what it saw, how good it was, and what it is not for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.annotations.exchange import atomic
from slideconcord.errors import OutputError
from slideconcord.segmentation.spec import ModelSpec
from slideconcord.training.sensitivity import AS_IT_IS

if TYPE_CHECKING:
    from slideconcord.training.sensitivity import Sensitivity

CARD = "MODEL_CARD.md"

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


_SECTION = "## By diagnosis and by scanner"
_TABLES = """\
{heading}

Mean over {tiles} tiles of the Dice of {target}, with the tiles as they are, by group:

| group | tiles | Dice |
|---|---|---|
{groups}

The same tiles as virtual scanners show them (their colour, blur and noise; data {fingerprint}):

| scanner | Dice with the reference |
|---|---|
{scanners}

Between the answers on two scanners: {mean_pair} in the mean, {worst_pair} for the worst pair
({first} and {second}).
"""


def sensitivity_section(result: Sensitivity) -> str:
    """Return what a change of scanner does to the model, as a section of its card."""
    target, summary = result.classes[-1], result.summary()
    rows = [row for row in result.accuracy().records() if row["class"] == target]
    as_it_is = [row for row in rows if row["look"] == AS_IT_IS]
    return _TABLES.format(
        heading=_SECTION,
        tiles=summary["tiles"],
        target=target,
        groups="\n".join(
            f"| {row['group']} | {row['tiles']} | {_percent(row['dice'])} |" for row in as_it_is
        ),
        scanners="\n".join(
            f"| {row['look']} | {_percent(row['dice'])} |" for row in rows if row["group"] == "all"
        ),
        fingerprint=result.provenance["data"][:12],
        mean_pair=_percent(summary["mean_pair"]),
        worst_pair=_percent(summary["worst_pair_dice"]),
        first=summary["worst_pair"][0],
        second=summary["worst_pair"][1],
    )


def add_section(card: Path, section: str) -> None:
    """Put the section into a card, in the place of an earlier one.

    Raises
    ------
    OutputError
        When the card cannot be read or written.
    """
    try:
        before, _, rest = card.read_text(encoding="utf-8").partition(_SECTION)
        after = rest.partition("\n## ")[2]
        text = f"{before.rstrip()}\n\n{section}" + (f"\n## {after}" if after else "")
        with atomic(card) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{card} cannot be changed: {error.strerror}.", card) from error


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"
