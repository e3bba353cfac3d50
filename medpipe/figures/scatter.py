"""Scatter plots: predicted numbers over the truth."""

import io
from collections.abc import Sequence

import numpy as np

_SIZE_INCHES = 4.5


def draw_scatter(
    predicted: Sequence[float],
    truth: Sequence[float],
    *,
    title: str,
    unit: str,
    half_width: float | None = None,
) -> bytes:
    """Return a PNG: a point a case, the line of equality, and the band of an interval.

    Args:
        predicted: Of each case.
        truth: Of each case.
        title: What was predicted.
        unit: Of both; ``"1"`` for none.
        half_width: Of the interval around a prediction; None for no band.
    """
    from matplotlib.figure import Figure

    ends = np.array([min(*predicted, *truth), max(*predicted, *truth)])
    ends = ends + np.array([-0.04, 0.04]) * (np.ptp(ends) or 1.0)
    figure = Figure(figsize=(_SIZE_INCHES, _SIZE_INCHES), layout="constrained")
    axis = figure.subplots()
    axis.plot(ends, ends, color="0.5", linewidth=1, label="equal")
    if half_width is not None:
        axis.fill_between(
            ends, ends - half_width, ends + half_width, color="tab:blue", alpha=0.12, label="90 % interval"
        )
    axis.scatter(truth, predicted, s=14, alpha=0.7, color="tab:blue", linewidths=0)
    suffix = "" if unit == "1" else f" ({unit})"
    axis.set(title=title, xlabel=f"truth{suffix}", ylabel=f"predicted{suffix}", xlim=ends, ylim=ends)
    axis.set_aspect("equal")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, frameon=False)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
