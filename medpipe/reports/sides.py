"""Left beside right: the volumes of what lies on both sides of the body, as rows of one table."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from medpipe.core.findings import CodedConcept, Finding, Laterality, Maker, Measurement, Structure
from medpipe.reports.numbers import MINUS, NARROW_SPACE

_VOLUME_UNIT: Final = "mL"
_ASYMMETRY_UNIT: Final = "%"
_PLAIN_SIDES: Final = (Laterality.LEFT, Laterality.RIGHT)


@dataclass(frozen=True)
class SideRow:
    """One structure in words.

    Attributes:
        name: What it is.
        left: Volume on the left with its unit.
        right: Volume on the right.
        asymmetry: Left minus right, of their mean; empty where it was not stated.
    """

    name: str
    left: str
    right: str
    asymmetry: str


@dataclass
class _Pair:
    """What was found of one structure, while the findings are gone through."""

    code: CodedConcept
    volumes_ml: dict[Laterality, float] = field(default_factory=dict)
    asymmetry: float | None = None


def side_rows(findings: Iterable[Finding]) -> tuple[SideRow, ...]:
    """Return a row for each structure with a volume on both sides, in the order of the findings.

    A row gathers what bears the same code and was made by the same package: structures, and measurements
    in mL, of the left and the right, and a measurement in percent that is of both sides.
    """
    pairs: dict[tuple[Maker, CodedConcept], _Pair] = {}
    for finding in findings:
        if not isinstance(finding, Structure | Measurement):
            continue
        pair = pairs.setdefault((finding.made_by, finding.code), _Pair(finding.code))
        volume_ml = _volume_ml(finding)
        if volume_ml is not None and finding.laterality in _PLAIN_SIDES:
            pair.volumes_ml[finding.laterality] = volume_ml
        elif _is_asymmetry(finding):
            pair.asymmetry = finding.value
    return tuple(_row(pair) for pair in pairs.values() if len(pair.volumes_ml) == len(_PLAIN_SIDES))


def _volume_ml(finding: Structure | Measurement) -> float | None:
    if isinstance(finding, Structure):
        return finding.volume_ml
    return finding.value if finding.unit == _VOLUME_UNIT else None


def _is_asymmetry(finding: Structure | Measurement) -> TypeGuard[Measurement]:
    return (
        isinstance(finding, Measurement)
        and finding.unit == _ASYMMETRY_UNIT
        and finding.laterality is Laterality.BOTH
    )


def _row(pair: _Pair) -> SideRow:
    # As many decimals in each row, so that the columns can be compared.
    left, right = (f"{pair.volumes_ml[side]:.2f}{NARROW_SPACE}{_VOLUME_UNIT}" for side in _PLAIN_SIDES)
    return SideRow(pair.code.meaning, left, right, "" if pair.asymmetry is None else _signed(pair.asymmetry))


def _signed(percent: float) -> str:
    size = f"{abs(percent):.1f}"
    sign = "" if size == "0.0" else MINUS if percent < 0 else "+"
    return f"{sign}{size}{NARROW_SPACE}%"
