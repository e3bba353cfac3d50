"""Learning curves: the log of a training as a picture."""

from pathlib import Path

from medpipe.io.atomic import atomic_write
from medpipe.training.csv_log import CsvLog


def draw_curves(log: CsvLog, picture: Path) -> None:
    """Draw loss and Dice over steps as a PNG."""
    from matplotlib.figure import Figure

    curves = log.curves()
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, points in sorted(curves.items()):
        axis = left if name.startswith("loss") else right
        if name.startswith(("loss", "dice")):
            steps, values = zip(*points, strict=True)
            axis.plot(steps, values, marker=".", label=name.replace("_", " "), linewidth=1.2)
    left.set(title="Training loss", xlabel="optimiser steps", ylabel="loss")
    right.set(title="Validation on whole cases", xlabel="optimiser steps", ylabel="Dice", ylim=(0, 1))
    for axis in (left, right):
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(fontsize=8, frameon=False)
    with atomic_write(picture) as file:
        figure.savefig(file, format="png", dpi=120)
