"""Labels of many studies: how many are above threshold, and how the probabilities are spread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from medpipe.reports.numbers import format_count, format_number, format_probability

WIDTH: Final = 600
HEIGHT: Final = 34
_MARGIN: Final = 6.0
_TICK_TOP, _TICK_HEIGHT = 9, 16
_MOST_LINKS: Final = 50
"""Studies above threshold that are linked one by one; more would make the page heavy."""


@dataclass(frozen=True)
class LabelValue:
    """What one study says of a label."""

    name: str
    probability: float
    threshold: float

    @property
    def is_positive(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold


@dataclass(frozen=True)
class LabelPoint:
    """A label of one study, with a link to the study's row."""

    study: str
    label: LabelValue
    href: str


@dataclass(frozen=True)
class LinkedPoint:
    """A study above threshold, placed on the strip."""

    x: float
    study: str
    text: str
    href: str


@dataclass(frozen=True)
class LabelStrip:
    """A strip from 0 to 1 ready to be drawn; lengths in pixels.

    Attributes:
        name: Of the label.
        above: How many studies are above threshold, of how many.
        threshold: In words; several where studies were judged by different ones.
        ticks: SVG path with one tick a study.
        marks: Where the thresholds lie.
        linked: Studies above threshold, highest first.
    """

    name: str
    above: str
    threshold: str
    ticks: str
    marks: tuple[float, ...]
    linked: tuple[LinkedPoint, ...]


def make_label_strips(points: Mapping[str, Sequence[LabelPoint]]) -> tuple[LabelStrip, ...]:
    """Return a strip for each label name, in the order given."""
    return tuple(_strip(name, values) for name, values in points.items())


def _strip(name: str, points: Sequence[LabelPoint]) -> LabelStrip:
    above = sorted(
        (point for point in points if point.label.is_positive),
        key=lambda point: (-point.label.probability, point.study),
    )
    thresholds = sorted({point.label.threshold for point in points})
    # Ticks that fall on one place are drawn once, which keeps pages of large cohorts small.
    places = sorted({_x(point.label.probability) for point in points})
    num_studies = format_count(len(points), "study", "studies")
    return LabelStrip(
        name=name,
        above=f"{format_number(len(above))} of {num_studies} above threshold",
        threshold=", ".join(format_probability(value) for value in thresholds),
        ticks="".join(f"M{place:g} {_TICK_TOP}v{_TICK_HEIGHT}" for place in places),
        marks=tuple(_x(value) for value in thresholds),
        linked=tuple(
            LinkedPoint(
                _x(point.label.probability),
                point.study,
                format_probability(point.label.probability),
                point.href,
            )
            for point in above[:_MOST_LINKS]
        ),
    )


def _x(probability: float) -> float:
    return round(_MARGIN + probability * (WIDTH - 2 * _MARGIN), 1)
