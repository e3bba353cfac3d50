"""What every reader of health records yields: the rows of one patient as the source has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError

AGE: Final = "age"
"""Static: years at hour 0; negative where the source says so."""
SEX: Final = "sex"
"""Static: ``"F"`` or ``"M"``."""
HEIGHT_CM: Final = "height_cm"
WEIGHT_KG: Final = "weight_kg"
UNIT: Final = "unit"
"""Static: the unit that the patient is on, where a source has one for all of the record."""
STAY: Final = "stay"
"""Static: the source's id of the stay that the record is about, where one patient has several."""
DISCHARGE_H: Final = "discharge_h"
"""Static: hour in which the stay ended: known afterwards only, never an input."""
DIALYSIS_IN_STAY: Final = "dialysis_in_stay"
"""Static: dialysis was coded for the stay, at an unknown hour: for censoring, never an input."""
ICU_H: Final = "icu_h"
"""Static: hours in which each spell of intensive care began and ended; the ends are known afterwards only."""
STATIC_CODES: Final = "static_codes"
"""Static: codes without a time, such as ``GENDER//F``, in the order of the source."""


class Labels(NamedTuple):
    """Labels that a source brings along: ``(L,)`` float64 hours, and whether each is positive ``(L,)``."""

    time_h: npt.NDArray[np.float64]
    positive: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RawPatient:
    """Rows of one patient (of one stay, where the source has no patients), in the source's order.

    Attributes:
        patient_id: Id as the source writes it.
        time_h: ``(T,)`` float64 hours since the origin, in any order; NaN where a row states none.
        codes: ``(T,)`` strings, the source's own codes.
        values: ``(T,)`` float64; NaN where a row has no number.
        units: ``(T,)`` strings as the source writes them; empty where it states none.
        statics: What does not change, by the names above.
        origin: The moment of hour 0; None where the source has hours only.
        labels: Labels of the source; None where it has none.
    """

    patient_id: str
    time_h: npt.NDArray[np.float64]
    codes: npt.NDArray[Any]
    values: npt.NDArray[np.float64]
    units: npt.NDArray[Any]
    statics: Mapping[str, Any] = field(default_factory=dict)
    origin: np.datetime64 | None = None
    labels: Labels | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "statics", MappingProxyType(dict(self.statics)))
        lengths = [len(column) for column in (self.time_h, self.codes, self.values, self.units)]
        if len(set(lengths)) != 1:
            raise ShapeError(
                "Times, codes, values and units of a patient must have one length",
                found=", ".join(map(str, lengths)),
            )

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.time_h)


def hours_since(times: npt.NDArray[np.datetime64], origin: np.datetime64) -> npt.NDArray[np.float64]:
    """Return ``(T,)`` hours since a moment; NaN where a time is none (NaT)."""
    hours: npt.NDArray[np.float64] = (times - origin) / np.timedelta64(1, "h")
    return hours
