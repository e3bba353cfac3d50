"""The page of a stay: its risk, its labs, what drove each alert, and what came."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.case import Figure
from medpipe.core.trajectory import StayTrajectory
from medpipe.figures.lab_course import draw_lab, draw_lab_grid
from medpipe.figures.lab_series import LabPanel, has_values
from medpipe.figures.risk_course import draw_risk_course
from medpipe.io.atomic import write_text
from medpipe.reports.driver_cards import BAR_WIDTH, driver_cards, strongest
from medpipe.reports.embedded import embed_chart
from medpipe.reports.numbers import display_unit, format_count, format_number
from medpipe.reports.page import render_page
from medpipe.reports.stay_words import day_of, format_hours, format_risk, lead_words, plain_name

_LARGE_LAB: Final = "creatinine"
_AMOUNTS: Final = frozenset({"urine"})
_NAMED_DRIVERS: Final = 3
_NAMED_INJURIES: Final = 2
_OPEN_ALERTS: Final = 20
"""Alerts that are shown at once; those beyond stand folded up."""

_SEXES: Final = {"F": "female", "M": "male"}


@dataclass(frozen=True)
class AlertRow:
    """An alert in words; times are since the stay began."""

    number: int
    at: str
    day: str
    risk: str
    interval: str
    lead: str
    meaning: str
    drivers: str


@dataclass(frozen=True)
class StepRow:
    """A step in words: when it ended, and its risk at each horizon."""

    at: str
    day: str
    risks: tuple[str, ...]
    is_alert: bool


def write_trajectory_page(trajectory: StayTrajectory, path: Path) -> None:
    """Write the page of a stay; all of it is escaped, and it has no scripts.

    Args:
        trajectory: What it shows; labs, alerts, drivers and onsets may be missing.
        path: The HTML file.

    Raises:
        MachineError: Writing failed.
    """
    cards, alerts = driver_cards(trajectory), _alert_rows(trajectory)
    context = {
        "stay": trajectory,
        "state": ("flagged", "Alerts") if trajectory.alerts else ("done", "No alerts"),
        "glance": _glance(trajectory),
        "horizon": format_hours(trajectory.alert_horizon_h),
        "threshold": format_risk(trajectory.threshold),
        "risk_chart": embed_chart(draw_risk_course(trajectory)) if trajectory.end_h else None,
        "alerts": alerts,
        "alert_parts": (alerts[:_OPEN_ALERTS], alerts[_OPEN_ALERTS:]),
        "lab_charts": [embed_chart(figure) for figure in _lab_figures(trajectory)],
        "cards": cards,
        "num_left_out": len(trajectory.drivers) - len(cards),
        "bar_width": BAR_WIDTH,
        "horizons": [format_hours(horizon) for horizon in trajectory.horizons_h],
        "steps": _step_rows(trajectory),
    }
    write_text(path, render_page("trajectory.html.j2", context))


def _glance(trajectory: StayTrajectory) -> dict[str, str]:
    """Return the few facts at the top."""
    facts, alerts = trajectory.facts, trajectory.alerts
    patient = [
        _SEXES.get(facts.sex, facts.sex),
        f"{format_number(facts.age_years, digits=3)} years" if facts.age_years is not None else "",
        facts.unit,
    ]
    first = f", first at {format_hours(alerts[0] - trajectory.start_h)}" if alerts else ""
    length_h = trajectory.end_h[-1] - trajectory.start_h if trajectory.end_h else 0.0
    return {
        f"Highest risk within {format_hours(trajectory.alert_horizon_h)}": format_risk(
            trajectory.highest_risk
        ),
        "Alerts": f"{len(alerts)}{first}" if alerts else "none",
        "Known injury": _injuries(trajectory),
        "Patient": ", ".join(part for part in patient if part) or "not stated",
        "Followed": f"{format_hours(length_h)}, {format_count(len(trajectory.end_h), 'step')}",
        "Model": f"{trajectory.made_by.name} {trajectory.made_by.version}",
    }


def _injuries(trajectory: StayTrajectory) -> str:
    if not trajectory.onsets:
        return "none known"
    named = [
        f"stage {onset.stage}{_when(onset.hour - trajectory.start_h)}"
        for onset in trajectory.onsets[:_NAMED_INJURIES]
    ]
    more = len(trajectory.onsets) - len(named)
    return "; ".join(named) + (f"; {more} more" if more else "")


def _when(since_start_h: float) -> str:
    if since_start_h < 0:
        return f", {format_hours(-since_start_h)} before the stay"
    return f" at {format_hours(since_start_h)}"


def _alert_rows(trajectory: StayTrajectory) -> tuple[AlertRow, ...]:
    drivers = {step.hour: step for step in trajectory.drivers}
    rows = []
    for number, hour in enumerate(trajectory.alerts, start=1):
        since_start = hour - trajectory.start_h
        step, column = trajectory.end_h.index(hour), trajectory.alert_column
        lead, meaning = lead_words(trajectory, hour)
        rows.append(
            AlertRow(
                number=number,
                at=format_hours(since_start),
                day=day_of(since_start),
                risk=format_risk(trajectory.probs[step][column]),
                interval=_interval(trajectory, step),
                lead=lead,
                meaning=meaning,
                drivers=strongest(drivers[hour], _NAMED_DRIVERS) if hour in drivers else "",
            )
        )
    return tuple(rows)


def _interval(trajectory: StayTrajectory, step: int) -> str:
    """Return the interval of a risk at the horizon of the alerts; empty where it has none, or no width."""
    if not trajectory.low:
        return ""
    low, high = (table[step][trajectory.alert_column] for table in (trajectory.low, trajectory.high))
    if low is None or high is None or low == high:
        return ""
    return f"{format_risk(low)} to {format_risk(high)}"


def _step_rows(trajectory: StayTrajectory) -> tuple[StepRow, ...]:
    alerts = set(trajectory.alerts)
    return tuple(
        StepRow(
            at=format_hours(hour - trajectory.start_h),
            day=day_of(hour - trajectory.start_h),
            risks=tuple(format_risk(risk) for risk in risks),
            is_alert=hour in alerts,
        )
        for hour, risks in zip(trajectory.end_h, trajectory.probs, strict=True)
    )


def _lab_figures(trajectory: StayTrajectory) -> list[Figure]:
    """Return creatinine large and the others small, of those that have anything to show."""
    panels = {name: panel for name, panel in _panels(trajectory).items() if has_values(panel, trajectory)}
    large = panels.pop(_LARGE_LAB, None)
    figures = [draw_lab(large, trajectory)] if large else []
    return figures + ([draw_lab_grid(list(panels.values()), trajectory)] if panels else [])


def _panels(trajectory: StayTrajectory) -> dict[str, LabPanel]:
    measured = {course.name: course for course in trajectory.measured}
    forecast = {lab.name: lab for lab in trajectory.forecast}
    names = {**dict.fromkeys(forecast), **dict.fromkeys(measured)}  # amounts, which are not forecast, last
    return {
        name: LabPanel(
            name=plain_name(name),
            unit=display_unit(measured[name].unit if name in measured else forecast[name].unit),
            measured=measured.get(name),
            forecast=forecast.get(name),
            is_amount=name in _AMOUNTS,
        )
        for name in names
    }
