"""Units of length that slide files name, in micrometres."""

from __future__ import annotations

import unicodedata
from types import MappingProxyType

# Both spellings: OME-XML writes symbols, OME-Zarr writes UDUNITS names. Unicode form NFKC.
MICROMETRES = MappingProxyType(
    {
        "m": 1e6,
        "meter": 1e6,
        "cm": 1e4,
        "centimeter": 1e4,
        "mm": 1e3,
        "millimeter": 1e3,
        "μm": 1.0,
        "um": 1.0,
        "micron": 1.0,
        "microns": 1.0,
        "micrometer": 1.0,
        "nm": 1e-3,
        "nanometer": 1e-3,
        "pm": 1e-6,
        "picometer": 1e-6,
        "Å": 1e-4,
        "angstrom": 1e-4,
        "inch": 25400.0,
        "in": 25400.0,
    }
)


def micrometres(unit: str | None) -> float | None:
    """Return the length of ``unit`` in µm; None when it is absent or no length."""
    # NFKC makes the micro sign a Greek mu, and the angstrom sign an A with ring.
    return None if unit is None else MICROMETRES.get(unicodedata.normalize("NFKC", unit.strip()))
