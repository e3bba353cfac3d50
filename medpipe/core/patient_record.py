"""A patient record: the events and statics of one patient."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import ShapeError


@dataclass(frozen=True, eq=False)
class PatientRecord:
    """Events in the order of time, and what does not change.

    Attributes:
        patient_id: Keyed hash, never an identifier of the patient.
        time_h: ``(T,)`` float64 hours since the record's origin, ascending.
        codes: ``(T,)`` strings, one code an event.
        values: ``(T,)`` float64; NaN where the event has no number.
        statics: What does not change during the record, such as sex.
        origin: The moment of hour 0, UTC where the source states a time zone; None where it has hours only.
    """

    patient_id: str
    time_h: npt.NDArray[np.float64]
    codes: npt.NDArray[np.str_]
    values: npt.NDArray[np.float64]
    statics: Mapping[str, Any] = field(default_factory=dict)
    origin: np.datetime64 | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "statics", MappingProxyType(dict(self.statics)))
        if not len(self.time_h) == len(self.codes) == len(self.values):
            raise ShapeError(
                "Times, codes and values of a record must have one length",
                found=f"{len(self.time_h)}, {len(self.codes)} and {len(self.values)}",
            )
        if not (np.isfinite(self.time_h).all() and (np.diff(self.time_h) >= 0).all()):
            raise ShapeError("Events of a record must be in the order of time", fix="Sort them by time_h.")

    @property
    def num_events(self) -> int:
        """Number of events."""
        return len(self.time_h)
