"""Numbers, quantities and intervals as people read them."""

from collections.abc import Iterable
from math import isfinite, isnan
from typing import Final

from medpipe.core.findings import Uncertainty

NARROW_SPACE: Final = "\u202f"
"""No-break: a number never parts from its unit or from its thousands."""

MINUS: Final = "\u2212"
_DIGITS: Final = 4
_SMALLEST, _LARGEST = 1e-3, 1e9
"""Outside this range numbers are written with a power of ten."""

_LEAST_PROBABILITY: Final = 0.01

_SUPERSCRIPTS: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_DISPLAY_UNITS: Final = {
    "1": "",
    "[hnsf'U]": "HU",
    "[arb'U]": "a.u.",
    "[iU]/L": "IU/L",
    "Cel": "°C",
    "a": "years",
    "cm2": "cm²",
    "cm3": "cm³",
    "deg": "°",
    "mm2": "mm²",
    "mm3": "mm³",
    "um": "µm",
    "umol/L": "µmol/L",
    "10*9/L": "10⁹/L",
    "10^9/L": "10⁹/L",
    "degC": "°C",
    "ug/L": "µg/L",
}
"""UCUM codes, and units of health records, that people write otherwise; the rest are shown as they are."""


def format_number(value: float, *, digits: int = _DIGITS) -> str:
    """Return a number with at least its whole part, rounded to significant digits.

    Args:
        value: Any number.
        digits: Significant digits; whole numbers keep all of theirs.
    """
    if not isfinite(value):
        return "not a number" if isnan(value) else f"{MINUS if value < 0 else ''}∞"
    if value == 0:
        return "0"
    sign = MINUS if value < 0 else ""
    mantissa, exponent_text = f"{abs(value):.{digits - 1}e}".split("e")
    exponent = int(exponent_text)
    if not _SMALLEST <= abs(value) < _LARGEST:
        return f"{sign}{_without_zeros(mantissa)} × 10{str(exponent).translate(_SUPERSCRIPTS)}"
    text = _without_zeros(f"{abs(value):,.{max(0, digits - 1 - exponent)}f}")
    return sign + text.replace(",", NARROW_SPACE)


def format_probability(value: float) -> str:
    """Return a probability with two decimals; one that is not quite 0 or 1 is not written as if it were."""
    if 0.0 < value < _LEAST_PROBABILITY:
        return f"<{_LEAST_PROBABILITY}"
    if 1.0 - _LEAST_PROBABILITY < value < 1.0:
        return f">{1.0 - _LEAST_PROBABILITY}"
    return f"{value:.2f}"


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def display_unit(ucum: str) -> str:
    """Return a UCUM code as people write it; empty for pure numbers and annotations."""
    if ucum.startswith("{") and ucum.endswith("}"):
        return ""
    return _DISPLAY_UNITS.get(ucum, ucum)


def format_quantity(value: float, ucum: str) -> str:
    """Return a number with its unit, such as ``"1 886 mL"``."""
    unit = display_unit(ucum)
    return f"{format_number(value)}{NARROW_SPACE}{unit}" if unit else format_number(value)


def format_interval(uncertainty: Uncertainty, ucum: str) -> str:
    """Return an interval with its unit and how it was got."""
    unit = display_unit(ucum)
    bounds = f"{format_number(uncertainty.low)} to {format_number(uncertainty.high)}"
    if unit:
        bounds += NARROW_SPACE + unit
    return f"{bounds} ({interval_kind(uncertainty)})"


def interval_kind(uncertainty: Uncertainty) -> str:
    """Return what an interval is, such as ``"95 % interval, views"``."""
    kind = f"{100 * uncertainty.level:.3g}{NARROW_SPACE}% interval" if uncertainty.level else "spread"
    return f"{kind}, {uncertainty.method}"


def format_sizes(values: Iterable[float], unit: str) -> str:
    """Return values along axes, such as ``"1 × 1 × 2.5 mm"``; empty for no values."""
    text = " × ".join(format_number(value) for value in values)
    return f"{text}{NARROW_SPACE}{unit}" if text else ""


def format_count(count: int, singular: str, plural: str = "") -> str:
    """Return a count with its noun, such as ``"1 flag"``, ``"2 flags"`` or ``"no flags"``."""
    noun = singular if count == 1 else plural or singular + "s"
    return f"{format_number(count)} {noun}" if count else f"no {noun}"
