"""Simulated stays as tables of MEDS 0.4: a row an event, subjects one after the other, each in order of time.

Source:
    Medical Event Data Standard, version 0.4 (https://medical-event-data-standard.github.io).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from medpipe.simulate.ward.codes import meds_code_of
from medpipe.simulate.ward.stays import WardStay

MEDS_VERSION: Final = "0.4.1"
DATA_SCHEMA: Final = pa.schema(
    [
        ("subject_id", pa.int64()),
        ("time", pa.timestamp("us")),
        ("code", pa.string()),
        ("numeric_value", pa.float32()),
        ("text_value", pa.large_string()),
    ]
)
CODES_SCHEMA: Final = pa.schema(
    [("code", pa.string()), ("description", pa.string()), ("parent_codes", pa.list_(pa.string()))]
)
SPLITS_SCHEMA: Final = pa.schema([("subject_id", pa.int64()), ("split", pa.string())])

FIRST_DAY: Final = np.datetime64("2015-01-01", "us")
DAYS: Final = 3650
"""Admissions lie in the ten years from that day."""

SPLITS: Final = (("train", 0.7), ("tuning", 0.8), ("held_out", 1.0))
"""Names of MEDS, and where each ends between 0 and 1."""

_SPREAD: Final = 2654435761
_HOUR_US, _YEAR_H = 3_600_000_000, 24 * 365.25


def events_table(stays: Sequence[WardStay]) -> pa.Table:
    """Return the events of stays, in their order; sex stands first and has no time, then comes the birth."""
    parts = [_columns(stay) for stay in stays]
    if not parts:
        return DATA_SCHEMA.empty_table()
    ids = np.repeat([stay.plan.seed for stay in stays], [len(part[0]) for part in parts])
    times, codes, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return pa.Table.from_arrays(
        [
            pa.array(ids, pa.int64()),
            pa.array(times, pa.timestamp("us")),
            pa.array(codes.tolist(), pa.string()),
            pa.array(values, pa.float32(), from_pandas=True),
            pa.nulls(len(ids), pa.large_string()),
        ],
        schema=DATA_SCHEMA,
    )


def codes_table(codes: Iterable[str]) -> pa.Table:
    """Return what codes of MEDS mean, each in words made from itself."""
    ordered = sorted(codes)
    rows = [code.split("//") for code in ordered]
    words = [" ".join(parts[1:2] or parts).replace("_", " ").lower() for parts in rows]
    units = [f" in {parts[2]}" if len(parts) > 2 else "" for parts in rows]
    return pa.Table.from_arrays(
        [
            pa.array(ordered, pa.string()),
            pa.array([f"simulated: {word}{unit}" for word, unit in zip(words, units, strict=True)]),
            pa.nulls(len(ordered), pa.list_(pa.string())),
        ],
        schema=CODES_SCHEMA,
    )


def splits_table(seeds: Iterable[int]) -> pa.Table:
    """Return the split of each subject, which no other subject has a part in."""
    ordered = sorted(set(seeds))
    return pa.table(
        {"subject_id": ordered, "split": [split_of(seed) for seed in ordered]}, schema=SPLITS_SCHEMA
    )


def split_of(seed: int) -> str:
    """Return ``train`` (7 of 10), ``tuning`` (1) or ``held_out`` (2)."""
    place = seed * _SPREAD % 2**32 / 2**32  # multiples of the golden ratio spread evenly
    return next(name for name, end in SPLITS if place < end)


def admitted_at(stay: WardStay) -> np.datetime64:
    """Return the moment of hour 0: a day that follows from the seed, the hour that was drawn."""
    day = FIRST_DAY + np.timedelta64(stay.plan.seed * 7919 % DAYS, "D")
    moment: np.datetime64 = day + np.timedelta64(int(stay.plan.admission_clock_h * _HOUR_US), "us")
    return moment


def _columns(stay: WardStay) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    record, admitted = stay.record, admitted_at(stay)
    born_h = -stay.plan.patient.age_years * _YEAR_H
    born = (admitted + np.timedelta64(int(born_h * _HOUR_US), "us")).astype("datetime64[D]")
    offsets = np.round(record.time_h * _HOUR_US).astype("timedelta64[us]")
    unknown = np.datetime64("NaT", "us")
    times = np.concatenate([[unknown, born.astype("datetime64[us]")], admitted + offsets])
    first = [f"SEX//{record.statics['sex']}", "MEDS_BIRTH"]
    names = {code: meds_code_of(code) for code in set(record.codes.tolist())}
    codes = np.array([*first, *(names[code] for code in record.codes.tolist())], dtype=object)
    return times, codes, np.concatenate([[np.nan, np.nan], record.values])
