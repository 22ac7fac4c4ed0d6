"""Registrations as JSON files: one file, whole or not at all, read back without loss."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from slideconcord.comparison.registration.facts import Quality, Scan
from slideconcord.comparison.registration.field import ResidualField
from slideconcord.comparison.registration.value import Registration
from slideconcord.errors import OutputError, RegistrationError, SlideconcordError
from slideconcord.geometry import Affine, Mpp

KIND, VERSION = "slideconcord registration", 1
FRAME = (
    "affine maps level-0 pixel centres (y, x) of the moving scan to µm of the fixed scan, whose "
    "origin is the centre of its first level-0 pixel; the field adds µm there"
)


def to_json(registration: Registration) -> dict[str, Any]:
    """Return a registration as JSON values."""
    field = registration.field
    return {
        "kind": KIND,
        "version": VERSION,
        "frame": FRAME,
        "moving": _scan_facts(registration.moving),
        "fixed": _scan_facts(registration.fixed),
        "method": registration.method,
        "status": registration.status,
        "reason": registration.reason,
        "affine": [list(row) for row in registration.affine.matrix],
        "field": None if field is None else _field_facts(field),
        "quality": registration.quality.to_json(),
        "provenance": dict(registration.provenance),
    }


def from_json(facts: Mapping[str, Any]) -> Registration:
    """Return the registration that `to_json` made these values from.

    Raises
    ------
    KeyError, TypeError, ValueError
        When they are something else.
    """
    if facts["kind"] != KIND or facts["version"] != VERSION:
        raise ValueError(f"kind {facts['kind']!r}, version {facts['version']!r}")
    field = facts["field"]
    (a, b, c), (d, e, f) = ([float(v) for v in row] for row in facts["affine"])
    if not all(map(math.isfinite, (a, b, c, d, e, f))) or a * e == b * d:
        raise ValueError(f"affine {facts['affine']}")
    return Registration(
        moving=_scan(facts["moving"]),
        fixed=_scan(facts["fixed"]),
        affine=Affine(((a, b, c), (d, e, f))),
        status=facts["status"],
        reason=str(facts["reason"]),
        method=str(facts["method"]),
        field=None if field is None else _field(field),
        quality=_quality(facts["quality"]),
        provenance=dict(facts["provenance"]),
    )


def write_registration(
    registration: Registration, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a registration; see `Registration.write`."""
    from slideconcord.annotations.exchange import atomic

    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is already there. Give another name, or overwrite it.", path)
    text = json.dumps(to_json(registration), indent=1, allow_nan=False)
    with atomic(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_registration(path: str | os.PathLike[str]) -> Registration:
    """Read what `Registration.write` wrote; `Registration.require` says whose it is.

    Raises
    ------
    RegistrationError
        When there is no such file, or it is no registration.
    """
    path = Path(path)
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror or error}. Give the file of a registration."
        raise RegistrationError(why, "unreadable") from error
    except (KeyError, TypeError, ValueError, SlideconcordError) as error:
        why = f"{path} is no registration of slideconcord ({error!r}): register the scans again."
        raise RegistrationError(why, "no registration") from error


def _scan_facts(scan: Scan) -> dict[str, Any]:
    facts = {"fingerprint": scan.fingerprint, "name": scan.name}
    return {**facts, "mpp": list(scan.mpp), "shape": list(scan.shape)}


def _scan(facts: Mapping[str, Any]) -> Scan:
    height, width = (int(side) for side in facts["shape"])
    return Scan(
        str(facts["fingerprint"]), str(facts["name"]), Mpp.of(facts["mpp"]), (height, width)
    )


def _field_facts(field: ResidualField) -> dict[str, Any]:
    return {
        "origin_um": list(field.origin_um),
        "spacing_um": field.spacing_um,
        "nodes_um": field.nodes.tolist(),
    }


def _field(facts: Mapping[str, Any]) -> ResidualField:
    y, x = (float(value) for value in facts["origin_um"])
    nodes = np.array(facts["nodes_um"], np.float64)
    return ResidualField((y, x), float(facts["spacing_um"]), nodes)


def _quality(facts: Mapping[str, Any]) -> Quality:
    known: dict[str, Any] = {name: facts[name] for name in Quality.__slots__}
    filled: dict[str, Any] = {n: math.nan if v is None else v for n, v in known.items()}
    return Quality(**filled)
