"""Buckets of time: the events of a stay as arrays, a row a step.

A step stands at the end of its bucket and knows what was entered up to that moment, the moment included, and
nothing later. Letters: T steps, V variables, M codes of all steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.hospital_stays import ADMISSION, DEATH, DISCHARGE
from medpipe.ehr.kidney_state import kidney_state
from medpipe.ehr.series import TIME_SLACK_H
from medpipe.ehr.variables import VARIABLES

Floats = npt.NDArray[np.float32]

MEASURED: Final = tuple(name for name in VARIABLES if name not in (ADMISSION, DISCHARGE, DEATH))
"""Variables that a step may hold: how a stay ends is none of them."""

_IS_ADDITIVE: Final = {name: VARIABLES[name].is_additive for name in MEASURED}


@dataclass(frozen=True, eq=False)
class StaySteps:
    """What is known at each step of a stay.

    An amount, such as urine, is summed over each bucket and stands as one value; an event, such as dialysis,
    has the value 1.

    Attributes:
        end_h: ``(T,)`` float64, end of each bucket.
        carried: ``(T, V)`` the last value so far, of before the stay too; NaN where there is none.
        least: ``(T, V)`` since the stay began; NaN where there is none.
        greatest: ``(T, V)`` likewise.
        since_h: ``(T, V)`` hours since the last entry, 0 where it lies in the step's bucket, infinity where
            there is none.
        counts: ``(T, V)`` uint16, buckets of the stay so far that have one.
        state: ``(T, K)`` see :data:`medpipe.ehr.kidney_state.KIDNEY_STATE`.
        codes: ``(M,)`` int64 numbers of the vocabulary, step by step.
        code_counts: ``(T,)`` int64 codes of each step.
    """

    end_h: Array
    carried: Floats
    least: Floats
    greatest: Floats
    since_h: Floats
    counts: npt.NDArray[np.uint16]
    state: Floats
    codes: npt.NDArray[np.int64]
    code_counts: npt.NDArray[np.int64]


def part_of(steps: StaySteps, start: int, stop: int) -> StaySteps:
    """Return some of the steps of a stay."""
    ends = np.append(0, np.cumsum(steps.code_counts))
    return StaySteps(
        end_h=steps.end_h[start:stop],
        carried=steps.carried[start:stop],
        least=steps.least[start:stop],
        greatest=steps.greatest[start:stop],
        since_h=steps.since_h[start:stop],
        counts=steps.counts[start:stop],
        state=steps.state[start:stop],
        codes=steps.codes[ends[start] : ends[stop]],
        code_counts=steps.code_counts[start:stop],
    )


def step_ends(start_h: float, end_h: float, bucket_h: float) -> Array:
    """Return ``(T,)`` the ends of all whole buckets between two moments.

    Raises:
        ShapeError: A bucket is no length of time.
    """
    if not bucket_h > 0:
        raise ShapeError("A bucket has a length above 0 h", found=f"{bucket_h:g} h")
    number = int(np.floor((end_h - start_h + TIME_SLACK_H) / bucket_h))
    return start_h + bucket_h * np.arange(1, max(number, 0) + 1, dtype=np.float64)


def bucket_record(
    record: PatientRecord,
    end_h: Array,
    *,
    start_h: float,
    variables: Sequence[str] = MEASURED,
    vocabulary: Mapping[str, int] | None = None,
) -> StaySteps:
    """Put the events of a record into buckets.

    Args:
        record: Canonical codes and units; codes of the vocabulary beside them.
        end_h: ``(T,)`` ends of the buckets, ascending; each begins after the one before has ended.
        start_h: When the stay begins, at or before the first end. What lies before it is history: it is
            carried, but counts in no bucket.
        variables: Names of the V variables.
        vocabulary: Number of each code that is kept; None for none.

    Raises:
        ShapeError: Ends do not ascend, or the first lies before the start.
    """
    ends = np.asarray(end_h, dtype=np.float64)
    if ends.ndim != 1 or (len(ends) and ends[0] < start_h) or not (np.diff(ends) > 0).all():
        raise ShapeError("The ends of buckets ascend from the start of a stay", found=f"shape {ends.shape}")
    number = {name: place for place, name in enumerate(variables)}
    places = np.array([number.get(code, -1) for code in record.codes.tolist()], dtype=np.int64)
    bucket = np.searchsorted(ends + TIME_SLACK_H, record.time_h, side="left")
    is_history = record.time_h < start_h - TIME_SLACK_H
    values = np.where(np.isnan(record.values), 1.0, record.values)
    entered = (places >= 0) & (bucket < len(ends))
    past, now = entered & is_history, entered & ~is_history
    shape = (len(ends), len(variables))
    levels = _levels(bucket[now], places[now], values[now], variables, shape)
    carried, last_h = np.full((2, len(ends) + 1, len(variables)), np.nan)
    carried[0, places[past]], last_h[0, places[past]] = values[past], record.time_h[past]
    carried[1:], last_h[1 + bucket[now], places[now]] = levels[0], record.time_h[now]
    measured = ~np.isnan(levels[0])
    age_h = ends[:, None] - _filled(last_h)[1:]
    codes, code_counts = _coded(record, bucket, vocabulary or {}, len(ends))
    return StaySteps(
        end_h=ends,
        carried=_filled(carried)[1:].astype(np.float32),
        least=np.fmin.accumulate(levels[1], axis=0).astype(np.float32),
        greatest=np.fmax.accumulate(levels[2], axis=0).astype(np.float32),
        since_h=np.where(measured, 0.0, np.nan_to_num(age_h, nan=np.inf)).astype(np.float32),
        counts=np.minimum(np.cumsum(measured, axis=0), np.iinfo(np.uint16).max).astype(np.uint16),
        state=kidney_state(record, ends, start_h=start_h),
        codes=codes,
        code_counts=code_counts,
    )


def _levels(
    bucket: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    values: Array,
    variables: Sequence[str],
    shape: tuple[int, int],
) -> tuple[Array, Array, Array]:
    """Return ``(T, V)`` last, least and greatest value of each bucket; amounts are summed."""
    last, least, greatest = np.full((3, *shape), np.nan)
    where = (bucket, places)
    last[where] = values  # events are in the order of time: the last of a bucket stays
    np.fmin.at(least, where, values)
    np.fmax.at(greatest, where, values)
    is_amount = np.array([_IS_ADDITIVE.get(name, False) for name in variables], dtype=bool)
    if is_amount.any():
        total = np.zeros(shape)
        np.add.at(total, where, values)
        sums = np.where(np.isnan(last), np.nan, total)[:, is_amount]
        for part in (last, least, greatest):
            part[:, is_amount] = sums
    return last, least, greatest


def _filled(rows: Array) -> Array:
    """Return each column with its last known value carried on."""
    source = np.where(np.isnan(rows), 0, np.arange(len(rows))[:, None])
    return np.take_along_axis(rows, np.maximum.accumulate(source, axis=0), axis=0)


def _coded(
    record: PatientRecord, bucket: npt.NDArray[np.int64], vocabulary: Mapping[str, int], num_steps: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the codes of each step, each once a step; those of history stand in the first step."""
    if not vocabulary or not num_steps:
        return np.zeros(0, dtype=np.int64), np.zeros(num_steps, dtype=np.int64)
    numbers = np.array([vocabulary.get(code, -1) for code in record.codes.tolist()], dtype=np.int64)
    kept = (numbers >= 0) & (bucket < num_steps)
    pairs = np.unique(np.stack([bucket[kept], numbers[kept]], axis=1), axis=0)
    return pairs[:, 1].astype(np.int64), np.bincount(pairs[:, 0], minlength=num_steps).astype(np.int64)
