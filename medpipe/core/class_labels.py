"""Class labels: questions about a study, and about each of its slices, that are answered yes or no."""

from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat

from medpipe.core.calibration import LogitCalibration
from medpipe.core.findings import CodedConcept, Probability, Value


class ClassLabel(Value):
    """A question that is answered yes or no; none excludes another.

    Attributes:
        name: Short name for files, tables and shell output; also the column of a data set's table.
        code: What it is, coded; its meaning is what people read.
        weight: How much it counts in the loss.
        by_slice: Whether slices have it too; otherwise it is asked of the study alone.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    code: CodedConcept
    weight: PositiveFloat = 1.0
    by_slice: bool = True


def _different(labels: tuple[ClassLabel, ...]) -> tuple[ClassLabel, ...]:
    names = [label.name for label in labels]
    if len(set(names)) < len(names):
        raise ValueError(f"label names must differ, found {names}")
    return labels


ClassLabels = Annotated[tuple[ClassLabel, ...], AfterValidator(_different), Field(min_length=1)]
"""The questions that one network answers, names all different."""


class FittedLabel(Value):
    """A question as a trained network answers it.

    Attributes:
        label: What is asked.
        threshold: Probability from which the answer is yes.
        calibration: From the network's logit to a probability; None where too few studies were kept aside
            to know it.
        num_positive: Studies trained on whose answer is yes.
        num_negative: Studies trained on whose answer is no.
    """

    label: ClassLabel
    threshold: Probability = 0.5
    calibration: LogitCalibration | None = None
    num_positive: int = Field(default=0, ge=0)
    num_negative: int = Field(default=0, ge=0)
