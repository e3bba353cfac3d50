"""The page of a run over health records: how risks are spread, which stays alerted, what was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Final

import numpy as np

from medpipe.core.errors import ShapeError
from medpipe.figures.risk_histogram import draw_risk_histogram
from medpipe.io.atomic import write_text
from medpipe.reports.embedded import embed_chart, safe_link
from medpipe.reports.numbers import format_number
from medpipe.reports.page import render_page
from medpipe.reports.stay_words import format_hours, format_risk

MAX_ROWS: Final = 1000
"""Stays listed, and refused patients listed; the files of the run hold all."""

_ALERT_GROUPS: Final = (("0", 0, 0), ("1", 1, 1), ("2", 2, 2), ("3 to 5", 3, 5), ("6 and more", 6, None))
_DAY_H: Final = 24.0


@dataclass(frozen=True)
class KidneyStay:
    """A stay of the run; hours are since it began.

    Attributes:
        patient_id: Keyed hash.
        stay: Which stay of the patient; may be empty.
        highest_risk: At the horizon of the alerts; None where no step has a risk.
        num_alerts: Alerts of the policy.
        followed_h: Hours during which it could alert, for alerts a patient-day.
        first_alert_h: None for none.
        onset_h: First known injury; None where none is known.
        page: Path of its page relative to this one; empty where none was drawn.
    """

    patient_id: str
    stay: str = ""
    highest_risk: float | None = None
    num_alerts: int = 0
    followed_h: float = 0.0
    first_alert_h: float | None = None
    onset_h: float | None = None
    page: str = ""


@dataclass(frozen=True)
class RefusedPatient:
    """A patient whose record is refused: its id, a stable code, and why."""

    patient_id: str
    code: str
    reason: str


@dataclass(frozen=True)
class KidneyCohort:
    """A run over health records.

    Attributes:
        run: Its name.
        model: Name and version of the package.
        alert_horizon_h: Horizon of the alerts.
        threshold: Of the alerts.
        num_shards: Files or parts of the records that were read.
        num_patients: Patients read, those that are refused included.
        stays: All stays with a forecast, in any order.
        refused: Patients that are refused.
        rows_kept: Rows of the records that were used.
        left_out: Rows left out, by reason.
        unknown_codes: Rows of codes that are not known, by code.
        facts: More facts, such as the policy and versions, by name.
    """

    run: str
    model: str
    alert_horizon_h: float
    threshold: float
    num_shards: int
    num_patients: int
    stays: Sequence[KidneyStay] = ()
    refused: Sequence[RefusedPatient] = ()
    rows_kept: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    unknown_codes: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_alerts(self) -> int:
        """Alerts of all stays."""
        return sum(stay.num_alerts for stay in self.stays)

    @property
    def followed_days(self) -> float:
        """Patient-days during which stays could alert."""
        return sum(stay.followed_h for stay in self.stays) / _DAY_H

    @property
    def alerts_per_patient_day(self) -> float | None:
        """Alerts over patient-days; None where nobody was followed."""
        return self.num_alerts / self.followed_days if self.followed_days > 0 else None


@dataclass(frozen=True)
class StayRow:
    """A stay in words; keys are what a column is sorted by."""

    stay: KidneyStay
    href: str
    risk: str
    risk_key: str
    first_alert: str
    onset: str
    lead: str
    lead_key: str


@dataclass(frozen=True)
class AlertGroup:
    """Stays with so many alerts: their number, share and patient-days; the bar is ``width`` of 100."""

    name: str
    num_stays: int
    share: str
    days: str
    width: float


def write_kidney_cohort_page(cohort: KidneyCohort, path: Path) -> None:
    """Write the page of a run; all of it is escaped.

    Args:
        cohort: What it shows.
        path: The HTML file; links to pages of stays are relative to its folder.

    Raises:
        ShapeError: A highest risk is not in 0 to 1, or a count is below 0.
        MachineError: Writing failed.
    """
    _check(cohort)
    ordered = sorted(cohort.stays, key=_highest_first)
    context = {
        "cohort": cohort,
        "glance": _glance(cohort),
        "horizon": format_hours(cohort.alert_horizon_h),
        "chart": _chart(cohort),
        "groups": _alert_groups(cohort),
        "rows": [_row(stay) for stay in ordered[:MAX_ROWS]],
        "refused": cohort.refused[:MAX_ROWS],
        "left_out": _largest_first(cohort.left_out),
        "unknown_codes": _largest_first(cohort.unknown_codes)[:MAX_ROWS],
        "num_left_out": sum(cohort.left_out.values()),
        "max_rows": MAX_ROWS,
    }
    write_text(path, render_page("kidney_cohort.html.j2", context, script="sort.js"))


def _check(cohort: KidneyCohort) -> None:
    for stay in cohort.stays:
        if stay.highest_risk is not None and not 0 <= stay.highest_risk <= 1:
            raise ShapeError("A highest risk lies in 0 to 1, or is None", found=f"{stay.highest_risk}")
        if stay.num_alerts < 0 or not stay.followed_h >= 0:
            raise ShapeError(
                "Alerts and hours of a stay are not below 0",
                found=f"{stay.num_alerts} in {stay.followed_h} h",
            )


def _highest_first(stay: KidneyStay) -> tuple[bool, float, str, str]:
    risk = stay.highest_risk
    return risk is None, -(risk or 0.0), stay.patient_id, stay.stay


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _glance(cohort: KidneyCohort) -> dict[str, str]:
    alerted = sum(stay.num_alerts > 0 for stay in cohort.stays)
    rate = cohort.alerts_per_patient_day
    return {
        "Patients": format_number(cohort.num_patients),
        "Stays": format_number(len(cohort.stays)),
        "Stays with an alert": f"{format_number(alerted)}{_share(alerted, len(cohort.stays))}",
        "Alerts a patient-day": "not known" if rate is None else format_number(rate, digits=3),
        "Refused patients": format_number(len(cohort.refused)),
        "Shards": format_number(cohort.num_shards),
        "Model": cohort.model,
    }


def _share(count: int, total: int) -> str:
    return f" ({100 * count / total:.1f} %)" if total else ""


def _chart(cohort: KidneyCohort) -> object:
    known = [stay for stay in cohort.stays if stay.highest_risk is not None]
    if not known:
        return None
    risks = np.array([stay.highest_risk for stay in known], dtype=np.float64)
    has_onset = np.array([stay.onset_h is not None for stay in known])
    return embed_chart(
        draw_risk_histogram(
            risks[~has_onset],
            risks[has_onset],
            horizon_h=cohort.alert_horizon_h,
            threshold=cohort.threshold,
        )
    )


def _alert_groups(cohort: KidneyCohort) -> list[AlertGroup]:
    groups = []
    for name, least, most in _ALERT_GROUPS:
        stays = [s for s in cohort.stays if s.num_alerts >= least and (most is None or s.num_alerts <= most)]
        share = 100 * len(stays) / max(1, len(cohort.stays))
        days = sum(stay.followed_h for stay in stays) / _DAY_H
        groups.append(
            AlertGroup(name, len(stays), f"{share:.1f} %", format_number(round(days, 1)), round(share, 2))
        )
    return groups


def _row(stay: KidneyStay) -> StayRow:
    lead = None
    if stay.first_alert_h is not None and stay.onset_h is not None:
        lead = stay.onset_h - stay.first_alert_h
    return StayRow(
        stay=stay,
        href=safe_link(stay.page),
        risk=format_risk(stay.highest_risk),
        risk_key="" if stay.highest_risk is None else f"{stay.highest_risk:.9g}",
        first_alert=_hours(stay.first_alert_h),
        onset=_hours(stay.onset_h),
        lead=_hours(lead),
        lead_key="" if lead is None else f"{lead:.9g}",
    )


def _hours(hours: float | None) -> str:
    return "–" if hours is None or isnan(hours) else format_hours(hours)
