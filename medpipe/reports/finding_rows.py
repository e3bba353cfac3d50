"""Findings as rows of tables, grouped by kind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from medpipe.core.findings import (
    Change,
    Finding,
    Forecast,
    Label,
    Lesion,
    Measurement,
    QualityFlag,
    Risk,
    Sentence,
    Structure,
    Unknown,
)
from medpipe.reports.label_rows import LabelParts, label_parts
from medpipe.reports.numbers import (
    NARROW_SPACE,
    format_interval,
    format_number,
    format_probability,
    format_quantity,
    format_sizes,
)

_SIDES: Final = (("L", "R"), ("P", "A"), ("I", "S"))


@dataclass(frozen=True)
class FindingRow:
    """One finding in words.

    Attributes:
        id: Id of the finding.
        name: What it is.
        code: Coding scheme and value.
        value: The value with its unit, or the text of a sentence.
        interval: Uncertainty; empty where none is known.
        side: Laterality; empty where none.
        source: Role of the image; empty for the study.
        made_by: Stage or package, with version.
        detail: More, in words.
        label: What only labels have.
    """

    id: str
    name: str
    value: str
    code: str = ""
    interval: str = ""
    side: str = ""
    source: str = ""
    made_by: str = ""
    detail: str = ""
    label: LabelParts | None = None


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one kind; ``kind`` names the panel's texts."""

    kind: str
    rows: tuple[FindingRow, ...]

    def has(self, column: str) -> bool:
        """Whether any row fills a column."""
        return any(getattr(row, column) for row in self.rows)

    @property
    def has_curves(self) -> bool:
        """Whether any label has a curve over slices."""
        return any(row.label is not None and row.label.curve for row in self.rows)


def group_findings(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """Group findings by kind, in the order in which kinds first occur; flags have a panel of their own."""
    groups: dict[str, list[FindingRow]] = {}
    for finding in findings:
        if isinstance(finding, QualityFlag):
            continue
        kind = "other" if isinstance(finding, Unknown) else finding.kind
        groups.setdefault(kind, []).append(_row(finding))
    # What is not known comes last, wherever it stood.
    ordered = sorted(groups.items(), key=lambda item: item[0] == "other")
    return tuple(FindingGroup(kind, tuple(rows)) for kind, rows in ordered)


def _row(finding: Finding) -> FindingRow:
    if isinstance(finding, Unknown):
        return FindingRow(id=finding.id, name=finding.kind, value=finding.as_text())
    unit = getattr(finding, "unit", "mL" if isinstance(finding, Structure) else "1")
    common: dict[str, Any] = {
        "id": finding.id,
        "code": f"{finding.code.scheme} {finding.code.value}",
        "interval": format_interval(finding.uncertainty, unit) if finding.uncertainty else "",
        "side": finding.laterality or "",
        "source": finding.source,
        "made_by": f"{finding.made_by.name} {finding.made_by.version}",
    }
    return FindingRow(**{"name": finding.code.meaning, **common, **_FIELDS[type(finding)](finding)})


def _label(finding: Label) -> dict[str, Any]:
    return {"value": format_probability(finding.probability), "label": label_parts(finding)}


def _structure(finding: Structure) -> dict[str, Any]:
    centre = f", {_centre(finding.centre_mm)}" if finding.centre_mm else ""
    return {
        "value": format_quantity(finding.volume_ml, "mL"),
        "detail": f"mask {finding.mask}, label {finding.label}{centre}",
    }


def _measurement(finding: Measurement) -> dict[str, Any]:
    return {
        "name": finding.name,
        "value": format_quantity(finding.value, finding.unit),
        "detail": finding.code.meaning,
    }


def _lesion(finding: Lesion) -> dict[str, Any]:
    return {
        "value": format_sizes(finding.size_mm, "mm"),
        "detail": f"confidence {format_number(finding.score, digits=3)}, {_centre(finding.centre_mm)}",
    }


def _centre(centre_mm: tuple[float, float, float]) -> str:
    places = ", ".join(
        f"{side[coordinate >= 0]} {format_number(abs(coordinate), digits=3)}"
        for side, coordinate in zip(_SIDES, centre_mm, strict=True)
    )
    return f"centre {places}{NARROW_SPACE}mm"


def _risk(finding: Risk) -> dict[str, Any]:
    return {
        "value": format_number(finding.probability, digits=3),
        "detail": f"within {format_quantity(finding.horizon_h, 'h')} of hour {format_number(finding.at_h)}",
    }


def _forecast(finding: Forecast) -> dict[str, Any]:
    return {
        "value": format_quantity(finding.value, finding.unit),
        "detail": f"{finding.lab}, within {format_quantity(finding.horizon_h, 'h')} of hour "
        f"{format_number(finding.at_h)}",
    }


def _change(finding: Change) -> dict[str, Any]:
    return {
        "value": f"{format_quantity(finding.prior_value, finding.unit)} → "
        f"{format_quantity(finding.value, finding.unit)}",
        "detail": f"{finding.name}, prior study {finding.prior_study}",
    }


def _sentence(finding: Sentence) -> dict[str, Any]:
    rests_on = f"rests on {', '.join(finding.rests_on)}" if finding.rests_on else "rests on no finding"
    return {"name": finding.section, "value": finding.text, "detail": rests_on}


_FIELDS: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    Label: _label,
    Structure: _structure,
    Measurement: _measurement,
    Lesion: _lesion,
    Risk: _risk,
    Forecast: _forecast,
    Change: _change,
    Sentence: _sentence,
}
