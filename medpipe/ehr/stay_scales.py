"""Scales: how the numbers of stays become numbers near 0, learned from the stays trained on."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Value
from medpipe.ehr.bucketing import Floats

CLIP: Final = 5.0
"""Spreads from the centre beyond which a number tells no more."""

_LEAST_NUMBER: Final = 20
_SKEWED: Final = 2.0
_QUARTILES: Final = (0.25, 0.5, 0.75)
_NORMAL_RANGE: Final = 1.349
"""Distance of the quartiles of a normal distribution, in its standard deviations."""


class Scale(Value):
    """Of one variable.

    Attributes:
        name: Of the variable.
        centre: Median, of logarithms where ``is_log``.
        spread: Distance of the quartiles over 1.349, or the standard deviation where they meet.
        is_log: Whether logarithms are taken: for variables whose large values run far out, so that equal
            ratios, such as a doubled creatinine, are equal steps.
        floor: Least value that a logarithm is taken of.
    """

    name: str
    centre: float
    spread: float = Field(gt=0.0)
    is_log: bool = False
    floor: float = Field(default=1.0, gt=0.0)


class StayScales(Value):
    """Scales of the variables and statics that a network takes, in its order.

    Attributes:
        variables: V scales.
        statics: D scales.
        state: K scales of the state of the kidneys; empty where the network is not told of it.
    """

    variables: tuple[Scale, ...]
    statics: tuple[Scale, ...] = ()
    state: tuple[Scale, ...] = ()

    @cached_property
    def of_variables(self) -> "Standardiser":
        """Of arrays ``(..., V)``."""
        return Standardiser(self.variables)

    @cached_property
    def of_statics(self) -> "Standardiser":
        """Of arrays ``(..., D)``."""
        return Standardiser(self.statics)

    @cached_property
    def of_state(self) -> "Standardiser":
        """Of arrays ``(..., K)``."""
        return Standardiser(self.state)


def fit_scale(name: str, values: npt.ArrayLike) -> Scale:
    """Return the scale of a variable's values; NaN is passed over, few values have a spread of 1."""
    known = np.asarray(values, dtype=np.float64).ravel()
    known = known[np.isfinite(known)]
    if len(known) < _LEAST_NUMBER:
        return Scale(name=name, centre=float(np.median(known)) if len(known) else 0.0, spread=1.0)
    positive = known[known > 0]
    is_log = len(positive) > 0.99 * len(known) and known.min() >= 0 and _skewness(known) > _SKEWED
    floor = float(np.quantile(positive, 0.001)) if is_log else 1.0
    if is_log:
        known = np.log(np.maximum(known, floor))
    low, centre, high = np.quantile(known, _QUARTILES)
    spread = (high - low) / _NORMAL_RANGE or known.std() or 1.0
    return Scale(name=name, centre=float(centre), spread=float(spread), is_log=is_log, floor=floor)


class Standardiser:
    """Scales as arrays: brings values near 0.

    Args:
        scales: One a column.
    """

    def __init__(self, scales: Sequence[Scale]) -> None:
        self._logs = np.flatnonzero([scale.is_log for scale in scales])
        self._floors = np.array([scale.floor for scale in scales if scale.is_log])
        self._centres = np.array([scale.centre for scale in scales])
        self._spreads = np.array([scale.spread for scale in scales])

    def __call__(self, values: npt.ArrayLike) -> Floats:
        """Return ``(..., V)`` values in their spreads from the centre, kept within :data:`CLIP`; NaN stays.

        Raises:
            ShapeError: There is not one scale a column.
        """
        numbers = np.array(values, dtype=np.float64)
        if numbers.shape[-1:] != self._centres.shape:
            raise ShapeError(
                "Each column has a scale", found=f"shape {numbers.shape}, {len(self._centres)} scales"
            )
        numbers[..., self._logs] = np.log(np.maximum(numbers[..., self._logs], self._floors))
        numbers -= self._centres
        numbers /= self._spreads
        return np.clip(numbers, -CLIP, CLIP, out=numbers).astype(np.float32)


def _skewness(values: npt.NDArray[np.float64]) -> float:
    spread = values.std()
    return float(((values - values.mean()) ** 3).mean() / spread**3) if spread else 0.0
