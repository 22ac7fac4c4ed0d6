"""Commands about models: models list, info, import, score and sensitivity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from slideconcord.cli import show
from slideconcord.cli.options import DataPlace, Json, Out, Overwrite
from slideconcord.cli.results import refuse_existing
from slideconcord.errors import ParameterError

if TYPE_CHECKING:
    from slideconcord.segmentation.spec import ModelSpec
    from slideconcord.training.data.tile import TileSource

Tested = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name from models list, a model's folder, or that of a training."
    ),
]
RecipeOfData = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="What the data and their classes are (default: the recipe beside the model).",
    ),
]
Split = Annotated[Literal["train", "val", "test"], typer.Option(help="Which tiles of the data.")]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, mps.")]

app = typer.Typer(name="models", help="List, show, import and test models.", no_args_is_help=True)


@app.command("list")
def list_command(json: Json = False) -> None:
    """Name the models at hand: those that come with slideconcord, and your own."""
    from slideconcord.segmentation.model_files import list_models

    specs = list_models()
    if json:
        show.as_json([spec.model_dump(mode="json") for spec in specs])
        return
    rows = [(s.name, s.version, f"{s.mpp:g}", ", ".join(s.classes), s.licence) for s in specs]
    show.table(("model", "version", "µm/px", "classes", "licence"), rows)


@app.command("info")
def info_command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A name from models list, or a folder.")
    ],
    json: Json = False,
) -> None:
    """Print what a model says of itself: input, classes, licence, training data."""
    from slideconcord.segmentation.model_files import model_folder
    from slideconcord.segmentation.spec import read_spec

    folder = model_folder(model)
    spec = read_spec(folder)
    facts = {**spec.model_dump(mode="json"), "hash": spec.hash, "folder": str(folder)}
    if json:
        show.as_json(facts)
    else:
        show.facts(facts)


@app.command("import")
def import_command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT", help="A .safetensors, or a PyTorch file of tensors only."
        ),
    ],
    spec: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The model.json that describes it (default: the published pan-cancer model).",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call it (default: as its description says).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Model folder (default: your models)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a model that is there.")] = False,
    json: Json = False,
) -> None:
    """Turn somebody's checkpoint into a model folder, without running any code in it.

    Without --spec it must hold the weights of the pan-cancer tumour segmentation network.
    """
    from slideconcord.segmentation.model_files import import_checkpoint, user_models

    described = _described(checkpoint, spec, {} if name is None else {"name": name})
    imported = import_checkpoint(checkpoint, described, out, overwrite=overwrite)
    folder = out or user_models() / imported.name
    if json:
        facts = {"version": imported.version, "folder": folder, "hash": imported.hash}
        show.as_json({"model": imported.name, **facts})
    else:
        show.text(f"{imported.name} {imported.version} is in {folder}")
        show.text(f"licence: {imported.licence}")


@app.command("score")
def score_command(
    model: Tested,
    out: Out,
    data: DataPlace = None,
    recipe: RecipeOfData = None,
    split: Split = "test",
    tta: Annotated[
        Literal["none", "rotations"],
        typer.Option(help="Test-time augmentation: rotations is the mean of four turns."),
    ] = "none",
    device: Device = "auto",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Score a trained model on tiles, such as those of the fold it did not see (split test).

    Writes scores.csv, with Dice and IoU by class, group and scanner; thresholds.csv, with what each
    threshold on the last class finds; and scores.json.
    """
    from slideconcord.segmentation.model import load_model
    from slideconcord.training.scoring import score_steps

    refuse_existing(out / "scores.json", overwrite=overwrite)
    folder, source, tiles = _asked(model, recipe, data, split)
    result = show.finish(model, score_steps(load_model(folder, device), source, tiles, tta))
    result.write(out)
    _tell(result.summary(), out, json=json)


@app.command("sensitivity")
def sensitivity_command(
    model: Tested,
    out: Out,
    data: DataPlace = None,
    recipe: RecipeOfData = None,
    split: Split = "val",
    card: Annotated[
        bool, typer.Option("--card", help="Put the result into the model's card.")
    ] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """See what a change of scanner does to a model: accuracy and agreement on virtual scanners.

    Each tile is shown as five virtual scanners would show it. The result is Dice with the reference
    by scanner, and Dice between the answers for each pair of scanners.
    """
    from slideconcord.segmentation.model import load_model
    from slideconcord.training.card import CARD, add_section, sensitivity_section
    from slideconcord.training.sensitivity import sensitivity_steps

    refuse_existing(out / "sensitivity.json", overwrite=overwrite)
    folder, source, tiles = _asked(model, recipe, data, split)
    steps = sensitivity_steps(load_model(folder, device), source, tiles)
    result = show.finish(model, steps)
    result.write(out)
    if card:
        add_section(folder / CARD, sensitivity_section(result))
    _tell(result.summary(), out, json=json)


def _asked(
    model: str, recipe: str | None, data: Path | None, split: str
) -> tuple[Path, TileSource, list[int]]:
    """Return the folder of a model, the data that it is to be tested on, and which tiles of them.

    Raises
    ------
    ParameterError
        When nothing says what the data are.
    MismatchError
        When the model's own recipe is to tell, but the data are not those that it learnt from, or
        the tiles have pixels of another size, or a context of another width, than the model sees.
    """
    from slideconcord.segmentation.model_files import model_folder
    from slideconcord.segmentation.spec import read_spec
    from slideconcord.training.data.prepare import tiles_of
    from slideconcord.training.data.tile import refuse_other_tiles
    from slideconcord.training.folder import MODEL, RECIPE, refuse_other_data
    from slideconcord.training.recipe import read_recipe

    run = Path(model) if (Path(model) / MODEL).is_dir() else None
    folder = model_folder(model if run is None else run / MODEL)
    beside = folder.parent / RECIPE
    if recipe is None and not beside.is_file():
        raise ParameterError(
            f"No recipe lies beside the model {model}: name the one that says what the data and "
            "their classes are (--recipe)."
        )
    chosen = read_recipe(recipe or beside, data=data)
    refuse_other_tiles(read_spec(folder), chosen.data.grid)
    source = chosen.open()
    if recipe is None:
        refuse_other_data(folder.parent, source.fingerprint)
    return folder, source, tiles_of(chosen, source, split)


def _tell(summary: dict[str, Any], out: Path, *, json: bool) -> None:
    if json:
        show.as_json({**summary, "folder": out})
    else:
        show.facts(summary)


def _described(checkpoint: Path, spec: Path | None, fields: dict[str, str]) -> ModelSpec:
    from slideconcord.segmentation.published import describe_checkpoint
    from slideconcord.segmentation.spec import SPEC_FILE, read_spec

    if spec is None:
        return describe_checkpoint(checkpoint, **fields)
    return read_spec(spec.parent if spec.name == SPEC_FILE else spec).changed(**fields)
