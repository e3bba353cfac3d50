"""Scores: numbers that a network reads from a whole image, such as an MMSE."""

import math
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from medpipe.core.findings import CodedConcept, Value

SCORE_LEVEL = 0.9
"""Share of new cases whose truth an interval around a score should hold."""


class _Score(Value):
    """What every score has.

    Attributes:
        name: Also the column of a data set's table that holds it.
        code: What it is, coded; its meaning is what people read.
        unit: UCUM code; ``"1"`` for none.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    code: CodedConcept
    unit: str = "1"


class RegressionScore(_Score):
    """A number on a continuous scale.

    Attributes:
        low: Least value that exists; None for no bound.
        high: Largest value that exists; None for no bound.
        logarithmic: Whether the network learns its logarithm: of what spans orders of magnitude, such as a
            volume, small values then count as much as large ones. All values are above 0.
    """

    kind: Literal["regression"] = "regression"
    low: float | None = None
    high: float | None = None
    logarithmic: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low must lie below high, found {self.low:g} and {self.high:g}")
        return self

    @property
    def num_outputs(self) -> int:
        """Numbers that the network gives for it."""
        return 1

    def fault(self, value: float) -> str:
        """Return what is wrong with a value; empty where nothing is."""
        low, high = self.bounds
        if self.logarithmic and value <= 0:
            return "a number above 0"
        return "" if low <= value <= high else f"a number from {low:g} to {high:g}"

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest value; infinite where there is no bound."""
        return (
            -math.inf if self.low is None else self.low,
            math.inf if self.high is None else self.high,
        )


class OrdinalScore(_Score):
    """One of a few levels in order, such as a rating from 0 to 4.

    Attributes:
        levels: All values that exist, ascending.
    """

    kind: Literal["ordinal"] = "ordinal"
    levels: tuple[float, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.levels) != sorted(set(self.levels)):
            raise ValueError(f"levels must ascend, found {list(self.levels)}")
        return self

    @property
    def num_outputs(self) -> int:
        """Numbers that the network gives for it: one for each step between levels."""
        return len(self.levels) - 1

    def fault(self, value: float) -> str:
        """Return what is wrong with a value; empty where nothing is."""
        return "" if value in self.levels else f"one of {', '.join(f'{level:g}' for level in self.levels)}"

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest level."""
        return self.levels[0], self.levels[-1]


Score = Annotated[RegressionScore | OrdinalScore, Field(discriminator="kind")]


def _different(scores: tuple[Score, ...]) -> tuple[Score, ...]:
    names = [score.name for score in scores]
    if len(set(names)) < len(names):
        raise ValueError(f"score names must differ, found {names}")
    return scores


Scores = Annotated[tuple[Score, ...], AfterValidator(_different)]
"""The scores of one network, names all different."""


class ScoreInterval(Value):
    """How far the truth of new cases lies from a score.

    Attributes:
        half_width: In the score's unit.
        level: Share of new cases whose truth lies within.
        num_cases: Cases that it was measured on, none of them trained on.

    Source:
        Split conformal prediction: Lei et al. 2018, "Distribution-free predictive inference for regression".
    """

    half_width: float = Field(ge=0.0, allow_inf_nan=False)
    level: float = Field(default=SCORE_LEVEL, gt=0.0, lt=1.0)
    num_cases: PositiveInt


class ScoreScale(Value):
    """What the network's numbers are multiples of.

    Attributes:
        mean: Of the values trained on, or of their natural logarithms; what an output of 0 stands for.
        spread: Their standard deviation; what an output of 1 is above that.
    """

    mean: float = Field(default=0.0, allow_inf_nan=False)
    spread: PositiveFloat = 1.0


class FittedScore(Value):
    """A score as a trained network gives it.

    Attributes:
        score: What it is.
        scale: Of the network's output; ordinal scores have none of their own.
        interval: None where too few cases were kept aside to know it.
    """

    score: Score
    scale: ScoreScale = ScoreScale()
    interval: ScoreInterval | None = None
