"""The command that lays one scan on another: register."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slideconcord.cli import show
from slideconcord.cli.options import Json, MppText, Overwrite, read_mpp, with_fields
from slideconcord.cli.outcome import DONE, SOME_FAILED, complain
from slideconcord.cli.results import refuse_existing
from slideconcord.comparison.registration.options import Registering
from slideconcord.errors import OutputError, RegistrationError

if TYPE_CHECKING:
    from slideconcord.comparison.registration.value import Registration
    from slideconcord.slides import Slide

OutFile = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="The registration, as JSON.")
]
MovingMpp = Annotated[
    str | None, typer.Option("--moving-mpp", metavar="MPP", help="--mpp for the moving scan only.")
]
FixedMpp = Annotated[
    str | None, typer.Option("--fixed-mpp", metavar="MPP", help="--mpp for the fixed scan only.")
]
Method = Annotated[
    str, typer.Option("--method", help="tiles, or orb-affine as the SCORPION paper does.")
]


@with_fields(Registering)
def register(
    moving: Annotated[Path, typer.Argument(metavar="MOVING", help="The scan to be moved.")],
    fixed: Annotated[Path, typer.Argument(metavar="FIXED", help="The scan that stays.")],
    out: OutFile,
    mpp: MppText = None,
    moving_mpp: MovingMpp = None,
    fixed_mpp: FixedMpp = None,
    method: Method = "tiles",
    overwrite: Overwrite = False,
    json: Json = False,
    **values: Any,
) -> int:
    """Lay a scan of a glass slide on another scan of it, and say how well it lies.

    A failed registration leaves no file.
    """
    from slideconcord.slides import open_slide

    options = Registering(**values)
    refuse_existing(out, overwrite=overwrite)
    if not out.parent.is_dir():
        raise OutputError(f"{out} cannot be written: there is no folder {out.parent}.", out)
    with (
        open_slide(moving, mpp=read_mpp(moving_mpp or mpp)) as one,
        open_slide(fixed, mpp=read_mpp(fixed_mpp or mpp)) as other,
    ):
        found = _register(one, other, method, options)
    failed = found.status == "failed"
    if not failed:
        found.write(out, overwrite=overwrite)
    facts = {**_facts(found), "file": None if failed else str(out)}
    show.as_json(facts) if json else show.facts(facts)
    if not failed:
        return DONE
    complain(RegistrationError(f"{found.moving.name} on {found.fixed.name}: {found.reason}"))
    return SOME_FAILED


def _register(moving: Slide, fixed: Slide, method: str, options: Registering) -> Registration:
    from slideconcord.comparison.registration.methods import register_steps

    steps = register_steps(moving, fixed, method=method, options=options)
    with show.progress("register") as advance:
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            advance(step.index, step.total)


def _facts(found: Registration) -> dict[str, Any]:
    """Return what there is to say; of a failed registration no pose, for it has none."""
    pose = found.pose
    placed = {
        "scale": pose.scale,
        "rotation_deg": pose.rotation_deg,
        "anisotropy": pose.anisotropy,
        "mirrored": pose.mirrored,
        "field": None if found.field is None else f"up to {found.field.largest_um:.2f} µm",
    }
    return {
        "status": found.status,
        "reason": found.reason,
        "moving": found.moving.name,
        "fixed": found.fixed.name,
        "method": found.method,
        **({} if found.status == "failed" else placed),
        **found.quality.to_json(),
    }
