"""What a finished run leaves: a model folder with its card, the curves, and run.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from slideconcord.annotations.exchange import atomic
from slideconcord.errors import OutputError, SlideconcordError, TrainingError
from slideconcord.segmentation.model_files import save_model
from slideconcord.training.card import CARD, model_card
from slideconcord.training.folder import CHECK_LOG, CURVES, MODEL, TRAIN_LOG
from slideconcord.training.log import read_log

if TYPE_CHECKING:
    from slideconcord.segmentation.spec import ModelSpec
    from slideconcord.training.folder import RunFolder


def halved(weights: dict[str, Any]) -> dict[str, Any]:
    """Return the weights in 16 bits; whole numbers as they are.

    Raises
    ------
    TrainingError
        When one is too large for 16 bits.
    """
    half = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    for name, tensor in half.items():
        if not bool(tensor.isfinite().all()):
            raise TrainingError(f"{name} does not fit into 16 bits: set model.half to false.")
    return half


def write_results(
    folder: RunFolder,
    spec: ModelSpec,
    weights: dict[str, Any],
    best: dict[str, Any],
) -> None:
    """Write model, card and curves; run.json, which says that all is there, comes last."""
    saved = save_model(folder.path / MODEL, spec, weights, overwrite=True)
    scores = {name: best.get(name) for name in ("step", "dice", "tile_dice", "tiles")}
    made = folder.record(finished=True, model={"name": saved.name, "hash": saved.hash},
                         scores=scores)  # fmt: skip
    card = folder.path / MODEL / CARD
    try:
        card.write_text(model_card(saved, made), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{card} cannot be written: {error.strerror}.", card) from error
    draw_curves(folder.path)
    folder.tidy()


def draw_curves(run: Path) -> None:
    """Draw a run's loss and Dice over the steps; nothing where matplotlib is not installed."""
    from slideconcord.comparison.plots import require_matplotlib

    try:
        require_matplotlib()
    except SlideconcordError:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5.2), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    for axes, log, skip in ((above, TRAIN_LOG, ("step", "rate")), (below, CHECK_LOG, ("step",))):
        rows = read_log(run / log)
        names = [name for name in (rows[0] if rows else {}) if name not in skip]
        steps = [row["step"] for row in rows]
        for name in names:
            values = [float("nan") if row[name] is None else row[name] for row in rows]
            axes.plot(steps, values, label=name, marker="o" if len(steps) < 30 else None,
                      markersize=3)  # fmt: skip
        if names:
            axes.legend(frameon=False, fontsize="small")
        axes.spines[["top", "right"]].set_visible(False)
    above.set_ylabel("loss, learnt from")
    below.set_ylabel("Dice, checked on")
    below.set_ylim(0, 1)
    below.set_xlabel("step")
    with atomic(run / CURVES) as partial:
        figure.savefig(partial, format="png", dpi=120)
