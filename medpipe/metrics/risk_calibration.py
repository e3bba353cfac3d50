"""Whether risks keep their word, with intervals over patients.

Shapes: ``N`` steps, ``P`` patients, ``B`` bins, ``R`` resamples.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.calibration import ReliabilityBin
from medpipe.metrics.bootstrap import Values
from medpipe.metrics.calibration import reliability
from medpipe.metrics.classification import NUM_BINS, bin_of
from medpipe.metrics.estimates import Draws, Estimate, estimate, share_of, sums_by_patient
from medpipe.metrics.metric import known_cases

_AS_GIVEN: Final = Draws()


@dataclass(frozen=True)
class RiskCalibration:
    """Whether risks keep their word.

    Attributes:
        expected_error: Mean distance of predicted and true share over bins, weighed by their steps.
        maximum_error: The largest such distance, of a bin of whatever size.
        in_the_large: Mean predicted risk minus the share that was positive.
        brier_score: Mean squared difference of risk and truth.
        bins: Bins that hold steps.
    """

    expected_error: Estimate
    maximum_error: Estimate
    in_the_large: Estimate
    brier_score: Estimate
    bins: tuple[ReliabilityBin, ...]


def risk_calibration(
    probs: npt.ArrayLike,
    truth: npt.ArrayLike,
    patients: npt.ArrayLike,
    *,
    num_bins: int = NUM_BINS,
    draws: Draws = _AS_GIVEN,
) -> RiskCalibration:
    """Return whether risks keep their word.

    Args:
        probs: ``(N,)`` in [0, 1].
        truth: ``(N,)`` 1, 0 or NaN, which is left out.
        patients: ``(N,)`` the patient of each step, any names.
        num_bins: Bins of equal width.
        draws: How patients are drawn for the intervals; those of the bins count steps as independent.

    Raises:
        ShapeError: Shapes differ, a probability is out of range, or no truth is known.

    Source:
        Guo et al. 2017, "On Calibration of Modern Neural Networks", equations 3 and 5. Neither error is ever
        below 0, so of few steps both are too high, and so are their intervals.
    """
    bins = reliability(probs, truth, num_bins=num_bins, level=draws.level)
    cases = known_cases(probs, truth=truth, patients=patients)
    assert cases.patients is not None  # they were given
    values = cases.scores[0]
    _, codes = np.unique(cases.patients, return_inverse=True)
    num_patients = int(codes.max()) + 1
    cell = codes * num_bins + bin_of(values, num_bins)
    sums = sums_by_patient(
        cell,
        np.stack((values - cases.truth, np.ones(len(values)), (values - cases.truth) ** 2), axis=1),
        num_patients * num_bins,
    ).reshape(num_patients, num_bins, 3)

    def statistic(counts: Values) -> Values:
        gaps, sizes, squares = np.moveaxis(np.tensordot(counts, sums, axes=1), 2, 0)
        total = sizes.sum(axis=1)
        distances = np.nan_to_num(share_of(np.abs(gaps), sizes))
        return np.stack(
            (
                share_of(np.abs(gaps).sum(axis=1), total),
                np.where(total > 0, distances.max(axis=1), np.nan),
                share_of(gaps.sum(axis=1), total),
                share_of(squares.sum(axis=1), total),
            ),
            axis=1,
        )

    expected, maximum, in_the_large, brier = estimate(num_patients, statistic, draws)
    return RiskCalibration(expected, maximum, in_the_large, brier, bins)
