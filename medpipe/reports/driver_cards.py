"""What drove a risk, as cards: bars of signed log-odds by variable, with the last value measured."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Final

from medpipe.core.trajectory import Driver, StayTrajectory, StepDrivers
from medpipe.reports.numbers import MINUS, NARROW_SPACE, display_unit, format_number
from medpipe.reports.stay_words import day_of, format_hours, format_risk, plain_name

BAR_WIDTH: Final = 120
"""Pixels from the strongest driver that lowers a risk to the strongest that raises one."""

MAX_CARDS: Final = 12
_MAX_BARS: Final = 8
_FULL_BAR: Final = 3.0
"""Log-odds of the longest bar, odds times 20: one extreme driver must not flatten all others."""

_LARGEST: Final = 100.0
"""Log-odds beyond this are no model's; their odds would not fit into a number."""


@dataclass(frozen=True)
class DriverBar:
    """A variable: its bar from ``start`` over ``width`` pixels, and what is written beside it."""

    name: str
    last: str
    start: float
    width: float
    raises: bool
    log_odds: str
    odds: str


@dataclass(frozen=True)
class DriverCard:
    """One step with its drivers, strongest first; ``others`` tells of those that have no bar."""

    is_alert: bool
    title: str
    day: str
    risk: str
    bars: tuple[DriverBar, ...]
    others: str


def driver_cards(trajectory: StayTrajectory) -> tuple[DriverCard, ...]:
    """Return a card for each step with drivers, in the order of time; all bars have one scale.

    Of more than ``MAX_CARDS`` the alerts come first, then the largest rises.
    """
    alerts = set(trajectory.alerts)
    ranked = sorted(
        trajectory.drivers, key=lambda step: (step.hour not in alerts, -_rise(trajectory, step.hour))
    )
    shown = sorted(ranked[:MAX_CARDS], key=lambda step: step.hour)
    sizes = [abs(driver.log_odds) for step in shown for driver in step.drivers]
    scale = min(max(sizes, default=0.0), _FULL_BAR) or 1.0
    return tuple(_card(trajectory, step, scale) for step in shown)


def strongest(step: StepDrivers, count: int) -> str:
    """Return the names of the strongest drivers that raise a risk; empty for none."""
    raising = sorted((item for item in step.drivers if item.log_odds > 0), key=lambda item: -item.log_odds)
    return ", ".join(plain_name(item.variable) for item in raising[:count])


def _card(trajectory: StayTrajectory, step: StepDrivers, scale: float) -> DriverCard:
    number = trajectory.end_h.index(step.hour)
    risk = trajectory.probs[number][trajectory.alert_column]
    before = trajectory.probs[number - 1][trajectory.alert_column] if number else None
    ordered = sorted(step.drivers, key=lambda driver: -abs(driver.log_odds))
    since_start = step.hour - trajectory.start_h
    is_alert = step.hour in trajectory.alerts
    return DriverCard(
        is_alert=is_alert,
        title=f"{'Alert' if is_alert else 'Change of risk'} at {format_hours(since_start)}",
        day=day_of(since_start),
        risk=f"{format_risk(before)} → {format_risk(risk)}" if before is not None else format_risk(risk),
        bars=tuple(_bar(trajectory, step.hour, driver, scale) for driver in ordered[:_MAX_BARS]),
        others=_others(ordered[_MAX_BARS:]),
    )


def _rise(trajectory: StayTrajectory, hour: float) -> float:
    number, column = trajectory.end_h.index(hour), trajectory.alert_column
    before = trajectory.probs[number - 1][column] if number else None
    return (trajectory.probs[number][column] or 0.0) - (before or 0.0)


def _bar(trajectory: StayTrajectory, hour: float, driver: Driver, scale: float) -> DriverBar:
    width = round(min(abs(driver.log_odds) / scale, 1.0) * BAR_WIDTH / 2, 2)
    raises = driver.log_odds > 0
    return DriverBar(
        name=plain_name(driver.variable),
        last=_last_value(trajectory, hour, driver),
        start=BAR_WIDTH / 2 if raises else round(BAR_WIDTH / 2 - width, 2),
        width=width,
        raises=raises,
        log_odds=_signed(driver.log_odds),
        odds=f"odds × {format_number(exp(min(driver.log_odds, _LARGEST)), digits=2)}",
    )


def _last_value(trajectory: StayTrajectory, hour: float, driver: Driver) -> str:
    if driver.value is not None:
        return _quantity(driver.value, driver.unit)
    course = next((item for item in trajectory.measured if item.name == driver.variable), None)
    if course is None:
        return ""
    number = bisect_right(course.hours, hour)
    return _quantity(course.values[number - 1], course.unit) if number else "not measured yet"


def _quantity(value: float, unit: str) -> str:
    shown = display_unit(unit)
    return format_number(value, digits=3) + (f"{NARROW_SPACE}{shown}" if shown else "")


def _others(drivers: Sequence[Driver]) -> str:
    if not drivers:
        return ""
    together = _signed(sum(driver.log_odds for driver in drivers))
    return f"{len(drivers)} more, together {together}"


def _signed(log_odds: float) -> str:
    text = f"{abs(log_odds):.2f}"
    if float(text) == 0:
        return text
    return ("+" if log_odds > 0 else MINUS) + text
