"""What a training leaves behind."""

from dataclasses import dataclass

from medpipe.inference.evaluation import MetricSummary
from medpipe.training.trainer import FitResult
from medpipe.zoo.package import Package


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        fit: Checkpoint and steps.
        figures: Results on the validation cases; empty where there were none.
        package: The package; None where nothing could be evaluated, as a card needs figures.
    """

    fit: FitResult
    figures: tuple[MetricSummary, ...]
    package: Package | None
