"""The truth of a simulated stay: filtration, creatinine without noise, when injury truly begins."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.simulate.ward.insult import Insult
from medpipe.simulate.ward.plan import WardPlan
from medpipe.simulate.ward.stay_course import StayCourse
from medpipe.simulate.ward.true_stages import true_stages


@dataclass(frozen=True, eq=False)
class WardTruth:
    """What no chart holds.

    Attributes:
        time_h: ``(T,)`` hours since admission, one apart; begins before it.
        gfr_ml_min: ``(T,)`` filtration of the whole body.
        tubular_function: ``(T,)`` 1 to 0.
        creatinine_umol_l: ``(T,)`` without noise.
        stages: ``(T,)`` KDIGO, 0 to 3.
        insults: With the times of exposure and of injury, if any.
        dialysis_h: When sessions began.
        end_h: Discharge or death.
    """

    time_h: Array
    gfr_ml_min: Array
    tubular_function: Array
    creatinine_umol_l: Array
    stages: Array
    insults: tuple[Insult, ...]
    dialysis_h: Array
    end_h: float

    @property
    def onset_h(self) -> float:
        """When injury of stage 1 or more first stands: negative if on admission, NaN if never."""
        hours = self._within[self.stages[: len(self._within)] >= 1]
        return float(hours[0]) if len(hours) else float("nan")

    @property
    def peak_stage(self) -> int:
        """Greatest stage of the stay."""
        stages = self.stages[: len(self._within)]
        return int(stages.max(initial=0.0))

    @property
    def _within(self) -> Array:
        return self.time_h[self.time_h <= self.end_h]

    def begins_within(self, moments_h: npt.ArrayLike, horizon_h: float) -> Array:
        """Return ``(M,)`` whether injury begins in ``(t, t + horizon_h]``: 1, 0, or NaN where not known.

        Not known is what would come after the end; at and after the onset there is nothing to foretell.
        """
        moments = np.asarray(moments_h, dtype=np.float64)
        onset = self.onset_h
        begins = (onset > moments) & (onset <= moments + horizon_h)
        labels = np.where(begins, 1.0, 0.0)
        labels[~begins & (moments + horizon_h > self.end_h)] = np.nan
        labels[moments >= onset] = np.nan
        return labels


def truth_of(plan: WardPlan, course: StayCourse) -> WardTruth:
    """Return the truth of a stay."""
    creatinine = course.values["creatinine"]
    return WardTruth(
        time_h=course.time_h,
        gfr_ml_min=course.kidney.gfr_ml_min,
        tubular_function=course.kidney.tubules,
        creatinine_umol_l=creatinine,
        stages=true_stages(creatinine, course.kidney.dialysis),
        insults=plan.insults,
        dialysis_h=course.dialysis_h,
        end_h=plan.end_h,
    )
