"""Precision over sensitivity of one or several predictors or horizons, with the thresholds in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from medpipe.core.affine import Array
from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.figures.chart import (
    LINES,
    add_plot,
    chart_webp,
    mark_in_use,
    new_chart,
    title_axes,
    write_legend,
)

_WIDTH, _HEIGHT = 860, 520
_MARGINS: Final = (72, 20, 348, 60)
"""The plot itself is a square of 440 pixels."""


@dataclass(frozen=True, eq=False)
class PrecisionLine:
    """A curve to draw.

    Attributes:
        name: Of the horizon or predictor.
        sensitivities: ``(Q,)`` ascending.
        precisions: ``(Q,)``.
        prevalence: Precision of guessing.
        area_text: Area with its interval, such as ``"0.297 (0.285 to 0.309)"``.
        in_use: Sensitivity and precision at the threshold in use; None for none.
    """

    name: str
    sensitivities: Array
    precisions: Array
    prevalence: float
    area_text: str
    in_use: tuple[float, float] | None = None


def draw_precision_recall(lines: Sequence[PrecisionLine], *, suffix: str = "") -> Figure:
    """Draw precision over sensitivity; dotted lines are those of guessing.

    Args:
        lines: One to six.
        suffix: Tells the figure from others; empty for none.

    Returns:
        ``precision_recall`` or ``precision_recall-SUFFIX``.

    Raises:
        ShapeError: There is no line, or more than can be told apart.
    """
    if not 0 < len(lines) <= len(LINES):
        raise ShapeError(f"A figure of precision holds 1 to {len(LINES)} curves", found=f"{len(lines)}")
    figure = new_chart(height=_HEIGHT, width=_WIDTH)
    axes = add_plot(figure, margins=_MARGINS)
    for line, style in zip(lines, LINES, strict=False):
        axes.axhline(line.prevalence, color=style.colour, linewidth=1, linestyle=(0, (2, 3)))
        axes.plot(line.sensitivities, line.precisions, color=style.colour, linewidth=2, zorder=3)
        mark_in_use(axes, line.in_use, style, label=f"{line.name}\narea {line.area_text}")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    title_axes(axes, across="sensitivity (share of positive steps that are called)", up="precision")
    write_legend(axes)
    mark = " The mark on a curve is the threshold in use." if any(line.in_use for line in lines) else ""
    return Figure(
        f"precision_recall-{suffix}" if suffix else "precision_recall",
        "Precision and sensitivity",
        "Share of the called steps that are positive over the share of positive steps that are called; a "
        f"dotted line is that of guessing, the prevalence.{mark}",
        chart_webp(figure),
        f"Precision over sensitivity. {'; '.join(f'{line.name}: area {line.area_text}' for line in lines)}.",
    )
