"""ROC curves of one or several labels, with their bands and the thresholds in use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from medpipe.core.case import Figure
from medpipe.core.errors import ShapeError
from medpipe.core.roc import RocCurve
from medpipe.figures.chart import (
    LINES,
    MUTED,
    LineStyle,
    add_plot,
    chart_webp,
    mark_in_use,
    new_chart,
    title_axes,
    write_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT = 860, 520
_MARGINS: Final = (72, 20, 348, 60)
"""The plot itself is a square of 440 pixels."""

_BAND_OPACITY: Final = 0.15


@dataclass(frozen=True, eq=False)
class RocLine:
    """A curve to draw.

    Attributes:
        name: Of the label or the predictor.
        curve: Its corners, and its band where it is known.
        in_use: False positive rate and sensitivity at the threshold in use; None for none.
        interval: Bounds of the area; None where not known.
    """

    name: str
    curve: RocCurve
    in_use: tuple[float, float] | None = None
    interval: tuple[float, float] | None = None

    @property
    def area_text(self) -> str:
        """Area with its interval, such as ``"0.951 (0.922 to 0.974)"``."""
        bounds = "" if self.interval is None else f" ({self.interval[0]:.3f} to {self.interval[1]:.3f})"
        return f"{self.curve.area:.3f}{bounds}"


def draw_roc(lines: Sequence[RocLine], *, suffix: str = "") -> Figure:
    """Draw sensitivity over false positive rate.

    Args:
        lines: One to six.
        suffix: Tells the figure from others; empty for none.

    Returns:
        ``roc`` or ``roc-SUFFIX``.

    Raises:
        ShapeError: There is no line, or more than can be told apart.
    """
    if not 0 < len(lines) <= len(LINES):
        raise ShapeError(f"A ROC figure holds 1 to {len(LINES)} curves", found=f"{len(lines)}")
    figure = new_chart(height=_HEIGHT, width=_WIDTH)
    axes = add_plot(figure, margins=_MARGINS)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)))
    for line, style in zip(lines, LINES, strict=False):
        _draw_line(axes, line, style)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    title_axes(axes, across="1 - specificity (share of those without it that are called)", up="sensitivity")
    write_legend(axes)
    return Figure(
        f"roc-{suffix}" if suffix else "roc",
        "ROC curves",
        _caption(lines),
        chart_webp(figure),
        f"ROC curves. {'; '.join(f'{line.name}: area {line.area_text}' for line in lines)}.",
    )


def _draw_line(axes: "Axes", line: RocLine, style: LineStyle) -> None:
    curve, band = line.curve, line.curve.band
    if band is not None:
        axes.fill_between(
            band.false_positive_rates,
            band.low,
            band.high,
            color=style.colour,
            alpha=_BAND_OPACITY,
            linewidth=0,
        )
    axes.plot(
        curve.false_positive_rates,
        curve.sensitivities,
        color=style.colour,
        linewidth=2,
        zorder=3,
        clip_on=False,
    )
    mark_in_use(axes, line.in_use, style, label=f"{line.name}\nAUC {line.area_text}")


def _caption(lines: Sequence[RocLine]) -> str:
    sentences = ["Sensitivity over false positive rate; the dotted line is that of guessing."]
    levels = sorted({line.curve.band.level for line in lines if line.curve.band is not None})
    if levels:
        words = ", ".join(f"{100 * level:.3g} %" for level in levels)
        sentences.append(f"Shaded: {words} interval of the sensitivity at each false positive rate.")
    if any(line.in_use is not None for line in lines):
        sentences.append("The mark on a curve is the threshold in use.")
    return " ".join(sentences)
