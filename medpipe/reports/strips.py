"""Distribution strips: one measurement of many studies on a small axis, outliers pointed out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Final

from medpipe.reports.numbers import format_quantity

WIDTH: Final = 600
HEIGHT: Final = 34
_MARGIN: Final = 6.0
_TICK_TOP, _TICK_HEIGHT = 9, 16
_FENCE: Final = 1.5
"""Tukey's fence: how many box lengths outside the box a value counts as an outlier."""

_MIN_VALUES: Final = 5
"""Quartiles of fewer values say nothing."""


@dataclass(frozen=True)
class Point:
    """A value of one study.

    Attributes:
        study: Study id.
        value: In the unit of the strip.
        href: Link to the study's row.
    """

    study: str
    value: float
    href: str


@dataclass(frozen=True)
class Outlier:
    """A point outside the fences, placed on the strip."""

    x: float
    study: str
    text: str
    href: str


@dataclass(frozen=True)
class Strip:
    """A strip ready to be drawn; lengths in pixels.

    Attributes:
        name: Of the measurement.
        low: Smallest value, with unit.
        high: Largest value, with unit.
        median: Middle value, with unit.
        count: Number of studies that have it.
        ticks: SVG path with one tick a study.
        box: Left edge and width of the box between the quartiles.
        median_x: Where the median lies.
        outliers: Points outside the fences.
    """

    name: str
    low: str
    high: str
    median: str
    count: int
    ticks: str
    box: tuple[float, float]
    median_x: float
    outliers: tuple[Outlier, ...]


def make_strips(points: Mapping[tuple[str, str], Sequence[Point]]) -> tuple[Strip, ...]:
    """Return a strip for each (name, UCUM unit) that enough studies have."""
    return tuple(
        _strip(name, unit, values) for (name, unit), values in points.items() if len(values) >= _MIN_VALUES
    )


def common_names(names: Sequence[tuple[str, str]], *, at_most: int) -> tuple[tuple[str, str], ...]:
    """Return the most frequent items in the order in which they first occur."""
    frequent = {item for item, _ in Counter(names).most_common(at_most)}
    return tuple(dict.fromkeys(item for item in names if item in frequent))


def _strip(name: str, unit: str, points: Sequence[Point]) -> Strip:
    values = sorted(point.value for point in points)
    lower, median, upper = quantiles(values, n=4, method="inclusive")
    reach = _FENCE * (upper - lower)
    span = (values[-1] - values[0]) or 1.0

    def x(value: float) -> float:
        return round(_MARGIN + (value - values[0]) / span * (WIDTH - 2 * _MARGIN), 1)

    outliers = tuple(
        Outlier(x(point.value), point.study, format_quantity(point.value, unit), point.href)
        for point in points
        if not lower - reach <= point.value <= upper + reach
    )
    # Ticks that fall on one place are drawn once, which keeps pages of large cohorts small.
    places = dict.fromkeys(x(value) for value in values)
    return Strip(
        name=name,
        low=format_quantity(values[0], unit),
        high=format_quantity(values[-1], unit),
        median=format_quantity(median, unit),
        count=len(points),
        ticks="".join(f"M{place:g} {_TICK_TOP}v{_TICK_HEIGHT}" for place in places),
        box=(x(lower), round(x(upper) - x(lower), 1)),
        median_x=x(median),
        outliers=outliers,
    )
