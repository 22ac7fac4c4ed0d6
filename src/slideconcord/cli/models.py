"""Commands about models: models list, models info, models import."""

from __future__ import annotations

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json

app = typer.Typer(name="models", help="List, show and import models.", no_args_is_help=True)


@app.command("list")
def list_models(json: Json = False) -> None:
    """Name the models that come with slideconcord."""
    from slideconcord.segmentation import model as models

    specs = [models.read_spec(name) for name in models.list_models()]
    if json:
        show.as_json([spec.model_dump(mode="json") for spec in specs])
        return
    rows = [(spec.name, spec.version, f"{spec.mpp:g}", ", ".join(spec.classes)) for spec in specs]
    show.table(("model", "version", "µm/px", "classes"), rows)
