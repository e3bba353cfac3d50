"""What came after the steps of prepared stays."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.ragged_store import RaggedStore


class StepTruth(NamedTuple):
    """Of all N steps of some stays.

    Attributes:
        patients: ``(N,)``.
        stays: ``(N,)``.
        time_h: ``(N,)`` hours of the record at which steps end.
        outcomes: ``(N, H)`` 1, 0 or NaN where not known.
        onset_h: ``(N,)`` next onset; NaN where there is none.
    """

    patients: npt.NDArray[np.str_]
    stays: npt.NDArray[np.str_]
    time_h: Array
    outcomes: Array
    onset_h: Array


def read_truth(store: RaggedStore, stays: Sequence[int]) -> StepTruth:
    """Return what came after each step of some stays, stay by stay."""
    lengths = store.lengths("end_h")[list(stays)]
    names = [
        np.repeat([str(store.items[stay][key]) for stay in stays], lengths) for key in ("patient", "stay")
    ]
    columns = [
        np.concatenate([store.read(stay, name) for stay in stays]).astype(np.float64)
        for name in ("end_h", "risks", "onset_h")
    ]
    return StepTruth(names[0], names[1], *columns)


def check_outcomes(outcomes: Array, horizons_h: tuple[float, ...]) -> None:
    """Refuse outcomes that no curve of calibration can be fitted on.

    Args:
        outcomes: ``(N, H)`` of the calibration part.
        horizons_h: H hours.

    Raises:
        SettingsError: A horizon has one outcome alone (``E_SPLIT``).
    """
    for horizon_h, column in zip(horizons_h, outcomes.T, strict=True):
        known = column[np.isfinite(column)]
        if len(np.unique(known)) < 2:
            raise SettingsError(
                Code.E_SPLIT,
                f"A curve of calibration needs both outcomes within {horizon_h:g} h",
                found=f"{len(known)} known steps, {int(known.sum())} with the outcome",
                fix="Give more patients, or a larger share for calibration.",
            )
