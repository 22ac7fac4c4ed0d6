"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from slideconcord.errors import ParameterError
from slideconcord.geometry import Box, Mpp
from slideconcord.segmentation.thresholds import Thresholds

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
MppText = Annotated[
    str | None,
    typer.Option("--mpp", metavar="MPP", help="Pixel size in µm (or Y,X) when the file has none."),
]
BoxText = Annotated[
    str | None,
    typer.Option("--box", metavar="Y,X,H,W", help="Only this part, in level-0 pixels."),
]
_THRESHOLDS = {field.name: field.metadata["help"] for field in fields(Thresholds)}
ColourName = Annotated[
    Literal["raw", "srgb"],
    typer.Option("--colour", help="Pixels as stored, or through the slide's colour profile."),
]
Low = Annotated[float | None, typer.Option("--low", help=_THRESHOLDS["low"])]
High = Annotated[float | None, typer.Option("--high", help=_THRESHOLDS["high"])]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result that is there.")]
MinArea = Annotated[
    float, typer.Option("--min-area-um2", min=0, help="Leave out smaller regions, in µm².")
]
DataPlace = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="PATH", help="Where the data lie: a manifest of slides, or a folder."
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")]


def _numbers(text: str, option: str, example: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ParameterError(
            f"{option} {text} is not made of numbers. Write {option} {example}."
        ) from error


def read_mpp(text: str | None) -> Mpp | None:
    """Read ``0.25`` or ``0.25,0.26`` (y, x)."""
    if text is None:
        return None
    numbers = _numbers(text, "--mpp", "0.25")
    return Mpp.of(numbers[0] if len(numbers) == 1 else numbers)


def read_box(text: str | None) -> Box | None:
    """Read ``y,x,height,width`` in level-0 pixels."""
    if text is None:
        return None
    numbers = _numbers(text, "--box", "0,0,2048,2048")
    whole = [int(number) for number in numbers]
    if len(whole) != 4 or whole != numbers or min(whole[2:]) < 1:
        raise ParameterError(
            f"--box {text} is not y,x,height,width in whole pixels. Write --box 0,0,2048,2048."
        )
    return Box(*whole)


def with_fields(settings: type, *skip: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one option per field of a settings dataclass.

    Name, type, default, help and limits come from the field (its ``metadata`` may hold ``help``,
    ``min`` and ``max``), so that each parameter has one home. The command takes them as
    ``**values``.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(command, eval_str=True)
        kept = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        hints = get_type_hints(settings)
        added = [_parameter(f, hints[f.name]) for f in fields(settings) if f.name not in skip]
        signature = own.replace(parameters=[*kept, *added])
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return command

    return decorate


def _parameter(setting: Field[Any], kind: Any) -> inspect.Parameter:
    about: Mapping[str, Any] = setting.metadata
    default = None if setting.default is MISSING else setting.default
    option = typer.Option(help=about.get("help"), min=about.get("min"), max=about.get("max"))
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )
