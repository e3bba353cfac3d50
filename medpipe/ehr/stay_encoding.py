"""Steps of a stay as a network takes them: which variables, how scaled, which codes.

Letters: T steps, V variables, E numbers of the course, D statics, M codes.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.findings import Value
from medpipe.ehr.bucketing import Floats, StaySteps
from medpipe.ehr.stay_scales import StayScales

_DAY_H: Final = 24.0
_WEEK_H: Final = 168.0


class EncodedSteps(NamedTuple):
    """Numbers near 0, none of them NaN.

    Attributes:
        presence: ``(T, V)`` whether a variable was measured in a step.
        values: ``(T, V)`` what was measured, 0 where nothing was.
        since_h: ``(T, V)`` hours since the last entry, infinity where there is none.
        course: ``(T, E)``: last, least and greatest value so far, 0 where there is none, and how often each
            was measured; the state of the kidneys, 0 where it is not known, and whether it is; the time since
            admission. None where the network takes neither course nor state.
        statics: ``(..., 2 * D)``: each with 0 where it is not known, and whether it is.
        codes: ``(M,)`` numbers of the vocabulary; None where the network takes none.
        code_counts: ``(T,)`` likewise.
    """

    presence: npt.NDArray[np.bool_]
    values: Floats
    since_h: Floats
    course: Floats | None
    statics: Floats
    codes: npt.NDArray[np.int64] | None
    code_counts: npt.NDArray[np.int64] | None


class StayEncoding(Value):
    """How steps become what a network takes; learned from the stays trained on.

    Attributes:
        scales: Of the variables and statics, in the network's order.
        codes: The vocabulary, in the network's order; empty for none.
        has_course: Whether the network is told of the course since admission beside what is new in a step.
    """

    scales: StayScales
    codes: tuple[str, ...] = ()
    has_course: bool = True

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that steps must hold."""
        return tuple(scale.name for scale in self.scales.variables)

    def network_arguments(self) -> dict[str, Any]:
        """Return the sizes that the network must have."""
        num_variables = len(self.scales.variables)
        num_course = 4 * num_variables if self.has_course else 0
        num_state = 2 * len(self.scales.state)
        return {
            "num_variables": num_variables,
            "num_extremes": num_course + num_state + 2 if num_course + num_state else 0,
            "num_statics": 2 * len(self.scales.statics),
            "num_codes": len(self.codes),
        }

    def encode(self, steps: StaySteps, statics: Floats, *, start_h: float | Array) -> EncodedSteps:
        """Return steps as the network takes them; each depends on itself alone.

        Args:
            steps: Of :attr:`variables` and :attr:`codes`, in their order.
            statics: ``(..., D)`` NaN where not known.
            start_h: When the stay began; ``(T,)`` where the steps are of several stays.
        """
        levels = (steps.carried, steps.least, steps.greatest) if self.has_course else (steps.carried,)
        scaled = self.scales.of_variables(np.stack(levels))
        presence = steps.since_h == 0
        known = np.isfinite(statics)
        numbers = _filled(self.scales.of_statics(statics))
        return EncodedSteps(
            presence=presence,
            values=np.where(presence, scaled[0], np.float32(0)),
            since_h=steps.since_h,
            course=self._course(steps, scaled, start_h) if self.has_course or self.scales.state else None,
            statics=np.concatenate([numbers, known], axis=-1, dtype=np.float32),
            codes=steps.codes if self.codes else None,
            code_counts=steps.code_counts if self.codes else None,
        )

    def _course(self, steps: StaySteps, scaled: Floats, start_h: float | Array) -> Floats:
        """Return ``(T, E)`` the course, given ``(3, T, V)`` last, least and greatest values."""
        parts: list[npt.NDArray[Any]] = []
        if self.has_course:
            parts += [*_filled(scaled), np.log1p(steps.counts) / 3]
        if self.scales.state:
            parts += [_filled(self.scales.of_state(steps.state)), np.isfinite(steps.state)]
        hours = (steps.end_h - start_h)[:, None]
        times = [np.log1p(np.maximum(hours, 0.0) / _DAY_H), hours / _WEEK_H]
        return np.concatenate([*parts, *times], axis=1, dtype=np.float32)


def _filled(numbers: Floats) -> Floats:
    """Return numbers with 0 where there are none."""
    return np.where(np.isnan(numbers), np.float32(0), numbers)
