"""Calibration: what a network's logit is worth as a probability, and how surely that is known."""

import math
from statistics import NormalDist
from typing import Self

from pydantic import Field, PositiveInt, model_validator

from medpipe.core.findings import Probability, Uncertainty, Value

CALIBRATION_LEVEL = 0.95
"""Probability that an interval around a calibrated probability claims to hold."""


class LogitCalibration(Value):
    """A straight line from logits to log odds, fitted on cases that the network did not learn from.

    Attributes:
        slope: Log odds a unit of the logit; below 1 where the network is too sure of itself.
        offset: Log odds at a logit of 0.
        covariance: Variance of the slope, covariance of both, variance of the offset.
        num_cases: Cases that it was fitted on.

    Source:
        Platt 1999, "Probabilistic outputs for support vector machines".
    """

    slope: float
    offset: float
    covariance: tuple[float, float, float]
    num_cases: PositiveInt

    @model_validator(mode="after")
    def _covariance_is_one(self) -> Self:
        of_slope, of_both, of_offset = self.covariance
        # Rounding may leave a perfectly correlated pair just beyond its limit.
        if of_slope < 0 or of_offset < 0 or of_both**2 > of_slope * of_offset * (1 + 1e-9):
            raise ValueError(
                f"covariance must be that of two numbers, found variances {of_slope:g} and {of_offset:g} "
                f"with covariance {of_both:g}"
            )
        return self

    def probability(self, logit: float) -> float:
        """Return the calibrated probability of a logit."""
        return _sigmoid(self.slope * logit + self.offset)

    def interval(self, logit: float, level: float = CALIBRATION_LEVEL) -> Uncertainty:
        """Return how far the calibrated probability may be off because few cases were there to fit it.

        It says nothing of an image unlike those; the probability itself lies within.

        Args:
            logit: Of the network.
            level: Probability that the interval claims to hold, between 0 and 1.

        Source:
            Delta method on the log odds, where the error is closest to normal, then mapped to probabilities.
        """
        of_slope, of_both, of_offset = self.covariance
        variance = of_slope * logit**2 + 2 * of_both * logit + of_offset
        reach = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(max(0.0, variance))
        log_odds = self.slope * logit + self.offset
        return Uncertainty(
            low=_sigmoid(log_odds - reach), high=_sigmoid(log_odds + reach), level=level, method="calibration"
        )


class ReliabilityBin(Value):
    """Cases of like probability: what was predicted of them, and what was true.

    Attributes:
        probability: Mean of the predicted probabilities.
        share: Share of the cases that were positive.
        low: Lower bound of that share.
        high: Upper bound.
        num_cases: Cases in the bin.
    """

    probability: Probability
    share: Probability
    low: Probability
    high: Probability
    num_cases: int = Field(ge=1)


def _sigmoid(log_odds: float) -> float:
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))
