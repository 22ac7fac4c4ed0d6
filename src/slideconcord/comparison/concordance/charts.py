"""Charts of a report as SVG: scores with intervals and ceilings, curves over regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa7a00", "#66aacc", "#aa3377", "#555555")
_ROW, _LEFT, _WIDTH, _RIGHT = 24, 250, 420, 60


def scores_chart(rows: Sequence[Mapping[str, Any]], name: str, label: str) -> str:
    """Draw one line per row: a dot, the interval where there is one, and a tick at the ceiling.

    Rows hold ``value``, ``low``, ``high`` and may hold ``ceiling``; ``name`` is the key of their
    name. The axis begins at the first tenth below everything.
    """
    numbers = [row[key] for row in rows for key in ("value", "low", "ceiling") if key in row]
    first = math.floor(10 * min(filter(math.isfinite, numbers), default=0.0) - 1e-9) / 10
    first = min(max(first, 0.0), 0.9)
    height = _ROW * len(rows) + 44

    def at(value: float) -> float:
        return _LEFT + _WIDTH * (value - first) / (1 - first)

    parts = list(_axis(first, height, label))
    for i, row in enumerate(rows):
        parts += _scored(row, str(row[name]), _ROW * (i + 0.5) + 6, at)
    return _svg(parts, height)


def curves_chart(curves: Mapping[str, Sequence[float]], label: str) -> str:
    """Draw the sorted values of every name as a line, lowest left; NaN is left out."""
    kept = {n: sorted(v for v in values if math.isfinite(v)) for n, values in curves.items()}
    kept = {n: values for n, values in kept.items() if values}
    if not kept:
        return ""
    tall, height = 200, max(240, 18 * len(kept) + 30)
    first = math.floor(10 * min(values[0] for values in kept.values()) - 1e-9) / 10
    first = min(max(first, 0.0), 0.9)
    parts = [_text(40, 12, label, anchor="start")]
    for k in range(round((1 - first) * 10) + 1):
        value = first + k / 10
        y = 20 + tall * (1 - value) / (1 - first)
        parts.append(_line(40, y, 440, y, "#ddd"))
        parts.append(_text(34, y + 4, f"{value:.1f}"))
    for i, (name, values) in enumerate(kept.items()):
        colour, dash = COLOURS[i % len(COLOURS)], "5 3" if i >= len(COLOURS) else ""
        across = [440 - 400 * (k + 0.5) / len(values) for k in range(len(values))][::-1]
        points = " ".join(
            f"{x:.1f},{20 + tall * (1 - v) / (1 - first):.1f}"
            for x, v in zip(across, values, strict=True)
        )
        style = f'fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{points}" {style}/>')
        y = 26 + 18 * i
        parts.append(f'<line x1="455" x2="475" y1="{y}" y2="{y}" {style}/>')
        parts.append(_text(480, y + 4, name, anchor="start"))
    return _svg(parts, height)


def _scored(row: Mapping[str, Any], name: str, y: float, at: Any) -> Iterable[str]:
    yield _text(_LEFT - 10, y + 4, name)
    if not math.isfinite(row["value"]):
        yield _text(_LEFT + 6, y + 4, "undefined", anchor="start")
        return
    if math.isfinite(row["low"]):
        yield _line(at(row["low"]), y, at(row["high"]), y, COLOURS[0], 2)
    yield f'<circle cx="{at(row["value"]):.1f}" cy="{y}" r="4" fill="{COLOURS[0]}"/>'
    if math.isfinite(row.get("ceiling", math.nan)):
        x = at(row["ceiling"])
        yield _line(x, y - 7, x, y + 7, "#222", 2)
    yield _text(_LEFT + _WIDTH + _RIGHT - 8, y + 4, f"{row['value']:.4f}")


def _axis(first: float, height: int, label: str) -> Iterable[str]:
    for k in range(round((1 - first) * 10) + 1):
        x = _LEFT + _WIDTH * k / 10 / (1 - first)
        yield _line(x, 4, x, height - 36, "#ddd")
        yield _text(x, height - 22, f"{first + k / 10:.1f}", anchor="middle")
    yield _text(_LEFT + _WIDTH / 2, height - 6, label, anchor="middle")


def _line(x0: float, y0: float, x1: float, y1: float, colour: str, width: float = 1) -> str:
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str = "end") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Iterable[str], height: int) -> str:
    width = _LEFT + _WIDTH + _RIGHT
    body = "".join(parts)
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'font-size="12">{body}</svg>'
    )
