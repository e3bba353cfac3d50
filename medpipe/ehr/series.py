"""A series: what was measured of one patient, and when."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError

TIME_SLACK_H: Final = 1e-6
"""Two times closer than this (3.6 ms) are one: hours made from minutes or seconds carry rounding."""


@dataclass(frozen=True, eq=False)
class Series:
    """Values in the order of time.

    Attributes:
        time_h: ``(N,)`` float64 hours, ascending; several values may share a time.
        values: ``(N,)`` float64 in the unit that the name of the argument states; NaN where not known.

    Raises:
        ShapeError: The two differ in length, a time is not finite, or times are not in order.
    """

    time_h: Array
    values: Array

    def __post_init__(self) -> None:
        for name in ("time_h", "values"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if self.time_h.ndim != 1 or self.time_h.shape != self.values.shape:
            raise ShapeError(
                "A series has one value for each time",
                found=f"times of shape {self.time_h.shape} and values of shape {self.values.shape}",
            )
        if not (np.isfinite(self.time_h).all() and (np.diff(self.time_h) >= 0).all()):
            raise ShapeError("The times of a series are finite and ascend", fix="Sort the values by time_h.")

    def __len__(self) -> int:
        return len(self.time_h)
