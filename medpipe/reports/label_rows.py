"""What only labels have: a bar with the threshold, the result in words, and the curve over slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medpipe.core.findings import Label, Uncertainty
from medpipe.reports.numbers import format_count, format_probability, interval_kind

BAR_WIDTH: Final = 130
CURVE_WIDTH: Final = 120
CURVE_HEIGHT: Final = 26


@dataclass(frozen=True)
class LabelParts:
    """A label in words and lengths in pixels.

    Attributes:
        is_positive: Whether the probability reached the threshold.
        threshold: In words.
        interval: In words; empty where none is known.
        is_open: Whether the interval holds the threshold, so that the result might be the other one.
        bar: Right end of the bar of the probability.
        mark: Where the threshold lies on it.
        whisker: Ends of the interval; None where none is known.
        key_slice: The slice of highest probability in words; empty without a curve.
        curve: Points of an SVG polyline over the slices; empty for none.
        curve_mark: Where the threshold lies on the curve, from the top.
    """

    is_positive: bool
    threshold: str
    interval: str
    is_open: bool
    bar: float
    mark: float
    whisker: tuple[float, float] | None
    key_slice: str
    curve: str
    curve_mark: float


def label_parts(label: Label) -> LabelParts:
    """Return what the row of a label shows beside its name and probability."""
    found = label.uncertainty
    return LabelParts(
        is_positive=label.is_positive,
        threshold=format_probability(label.threshold),
        interval=_interval(found) if found else "",
        is_open=found is not None and found.low < label.threshold <= found.high,
        bar=_along(label.probability),
        mark=_along(label.threshold),
        whisker=(_along(found.low), _along(found.high)) if found else None,
        key_slice=_key_slice(label),
        curve=_curve(label.slice_probabilities),
        curve_mark=_down(label.threshold),
    )


def labels_above(labels: Sequence[Label]) -> tuple[str, str]:
    """Return how many labels are above threshold, and their names."""
    above = [label.code.meaning for label in labels if label.is_positive]
    return f"{len(above)} of {format_count(len(labels), 'label')} above threshold", ", ".join(above)


def _interval(found: Uncertainty) -> str:
    return f"{format_probability(found.low)} to {format_probability(found.high)} ({interval_kind(found)})"


def _key_slice(label: Label) -> str:
    if label.key_slice is None:
        return ""
    highest = format_probability(label.slice_probabilities[label.key_slice])
    return f"slice {label.key_slice + 1} of {len(label.slice_probabilities)} ({highest})"


def _curve(probabilities: tuple[float, ...]) -> str:
    if not probabilities:
        return ""
    # A single slice is drawn as a level line.
    values = probabilities if len(probabilities) > 1 else probabilities * 2
    step = CURVE_WIDTH / (len(values) - 1)
    return " ".join(f"{number * step:.1f},{_down(value):.1f}" for number, value in enumerate(values))


def _along(probability: float) -> float:
    return round(min(max(probability, 0.0), 1.0) * BAR_WIDTH, 1)


def _down(probability: float) -> float:
    return round(1 + (1 - probability) * (CURVE_HEIGHT - 2), 1)
