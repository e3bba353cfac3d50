"""Isotonic curves: from scores to probabilities, rising or level, fitted on cases of their own."""

from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from medpipe.core.affine import Array
from medpipe.core.findings import Value


class IsotonicCurve(Value):
    """Straight between its corners, level beyond them.

    Attributes:
        thresholds: Scores of the corners, ascending.
        values: Probability at each, never falling.
        num_cases: Cases that it was fitted on.
    """

    thresholds: tuple[float, ...] = Field(min_length=1)
    values: tuple[float, ...] = Field(min_length=1)
    num_cases: int = Field(ge=1)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if len(self.thresholds) != len(self.values):
            raise ValueError(f"{len(self.thresholds)} thresholds and {len(self.values)} values")
        if any(after <= before for before, after in pairwise(self.thresholds)):
            raise ValueError("thresholds must ascend")
        if any(after < before for before, after in pairwise((0.0, *self.values, 1.0))):
            raise ValueError("values must not fall, and lie in [0, 1]")
        return self

    def __call__(self, scores: npt.ArrayLike) -> Array:
        """Return the probability of each score, in the same shape."""
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), self.thresholds, self.values))
