"""From the codes and units of a source to variables in their own units, with every refusal counted."""

from collections import Counter
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.core.errors import RefusedError
from medpipe.ehr.mapping import Predicates
from medpipe.ehr.record_counts import RecordCounts
from medpipe.ehr.units import IDENTITY, Conversion, conversion, conversions_to, normalise_unit
from medpipe.ehr.variables import VARIABLES, Variable
from medpipe.io.records.raw_patient import RawPatient

NAMES: Final[tuple[str, ...]] = tuple(VARIABLES)
"""Names of the variables in the order of their numbers."""

_NUMBERS: Final = {name: number for number, name in enumerate(NAMES)}
_LOW: Final = np.array([variable.low for variable in VARIABLES.values()])
_HIGH: Final = np.array([variable.high for variable in VARIABLES.values()])
_IS_EVENT: Final = np.array([variable.is_event for variable in VARIABLES.values()])
_PAIRS_KEPT: Final = 65_536
"""Pairs of a code and a unit whose meaning is kept in memory: sources have a few thousand."""


class _Fate(IntEnum):
    KEPT = 0
    WITHOUT_TIME = 1
    UNKNOWN_CODE = 2
    WITHOUT_VALUE = 3
    UNKNOWN_UNIT = 4
    SUSPECT_UNIT = 5
    OUT_OF_LIMITS = 6


class Interpreted(NamedTuple):
    """Rows with a meaning, in the source's order; the letters are ``T`` rows.

    Attributes:
        time_h: ``(T,)`` finite hours.
        variable: ``(T,)`` int, number of the variable in :data:`NAMES`.
        source_code: ``(T,)`` int, equal for rows of one code of the source.
        values: ``(T,)`` in the variable's own unit and within its limits; 0 for events.
        counts: What became of the rows that are not here; ``kept`` counts those that are.
    """

    time_h: npt.NDArray[np.float64]
    variable: npt.NDArray[np.int64]
    source_code: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    counts: RecordCounts


class _Pairs(NamedTuple):
    """Each pair of a code and a unit that occurs, and what it means."""

    variable: npt.NDArray[np.int64]
    factor: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    is_unit_known: npt.NDArray[np.bool_]
    is_assumed: npt.NDArray[np.bool_]
    is_converted: npt.NDArray[np.bool_]
    unit: npt.NDArray[Any]


def interpret(raw: RawPatient, predicates: Predicates) -> Interpreted:
    """Give the rows of a patient their meaning.

    A row that states no unit is taken in the unit that the predicates assume. If it then lies beyond the
    limits but would lie within them in another unit of the variable, its unit is in doubt: it is left out and
    counted as such, never converted on a guess.
    """
    code_of, codes = _numbered(raw.codes)
    unit_of, units = _numbered(raw.units)
    pair_of_key, pair_of = np.unique(code_of * max(len(units), 1) + unit_of, return_inverse=True)
    pairs = _meanings(
        ((codes[key // len(units)], units[key % len(units)]) for key in pair_of_key.tolist()), predicates
    )
    variable = pairs.variable[pair_of]
    is_event = _IS_EVENT[variable]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values are refused below
        values = raw.values * pairs.factor[pair_of] + pairs.offset[pair_of]
    values = np.where(is_event, 0.0, values)
    beyond = ~is_event & ~((values >= _LOW[variable]) & (values <= _HIGH[variable]))
    suspect = beyond & pairs.is_assumed[pair_of]
    suspect[suspect] = _fits_another_unit(raw.values[suspect], variable[suspect])
    fate = np.select(
        [
            ~np.isfinite(raw.time_h),
            variable < 0,
            ~is_event & np.isnan(raw.values),
            ~pairs.is_unit_known[pair_of],
            suspect,
            beyond,
        ],
        list(_Fate)[1:],
        _Fate.KEPT,
    )
    kept = fate == _Fate.KEPT
    counts = _counts(fate, variable, code_of, codes, pair_of, pairs)
    return Interpreted(raw.time_h[kept], variable[kept], code_of[kept], values[kept], counts)


def _numbered(words: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the number of each word in the list of those that occur, and that list."""
    listed = [word or "" for word in words.tolist()]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(listed))}
    return np.array([numbers[word] for word in listed], dtype=np.int64), list(numbers)


def _meanings(pairs: Iterable[tuple[str, str]], predicates: Predicates) -> _Pairs:
    rows = [_meaning(code, unit, predicates) for code, unit in pairs]
    columns = list(zip(*rows, strict=True)) or [()] * 7
    dtypes: tuple[Any, ...] = (np.int64, np.float64, np.float64, bool, bool, bool, object)
    return _Pairs(*(np.array(column, dtype) for column, dtype in zip(columns, dtypes, strict=True)))


@lru_cache(maxsize=_PAIRS_KEPT)
def _meaning(code: str, unit: str, predicates: Predicates) -> tuple[int, float, float, bool, bool, bool, str]:
    meaning = predicates.meaning(code)
    if meaning is None:
        return (-1, *IDENTITY, False, False, False, "")
    number = _NUMBERS[meaning.variable.name]
    if meaning.variable.is_event:
        return (number, *IDENTITY, True, False, False, "")
    stated = next((item for item in (unit, meaning.stated_unit) if normalise_unit(item)), "")
    found = _conversion(meaning.variable, stated or meaning.assumed_unit)
    shown = normalise_unit(stated or meaning.assumed_unit)
    if found is None:
        return (number, *IDENTITY, False, False, False, shown)
    return (number, *found, True, not stated, not found.is_identity, shown)


def _conversion(variable: Variable, unit: str) -> Conversion | None:
    if not unit and variable.unit == "1":
        return IDENTITY  # a ratio such as the INR has no unit to state
    try:
        return conversion(variable, unit)
    except RefusedError:
        return None


def _fits_another_unit(
    values: npt.NDArray[np.float64], variable: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Tell for each value whether some unit of its variable would bring it within the limits."""
    fits = np.zeros(len(values), bool)
    for number in np.unique(variable).tolist():
        here = variable == number
        for factor, offset in conversions_to(VARIABLES[NAMES[number]]).values():
            converted = values[here] * factor + offset
            fits[here] |= (converted >= _LOW[number]) & (converted <= _HIGH[number])
    return fits


def _counts(
    fate: npt.NDArray[np.int64],
    variable: npt.NDArray[np.int64],
    code_of: npt.NDArray[np.int64],
    codes: list[str],
    pair_of: npt.NDArray[np.int64],
    pairs: _Pairs,
) -> RecordCounts:
    def by_variable(which: _Fate) -> Counter[str]:
        return _counter(variable[fate == which], NAMES)

    by_pair = [(NAMES[number], unit) for number, unit in zip(pairs.variable, pairs.unit, strict=True)]
    is_converted = (fate == _Fate.KEPT) & pairs.is_converted[pair_of]
    return RecordCounts(
        patients=1,
        rows=len(fate),
        kept=int((fate == _Fate.KEPT).sum()),
        without_time=int((fate == _Fate.WITHOUT_TIME).sum()),
        unknown_codes=_counter(code_of[fate == _Fate.UNKNOWN_CODE], codes),
        without_value=by_variable(_Fate.WITHOUT_VALUE),
        unknown_units=_counter(pair_of[fate == _Fate.UNKNOWN_UNIT], by_pair),
        suspect_units=by_variable(_Fate.SUSPECT_UNIT),
        out_of_limits=by_variable(_Fate.OUT_OF_LIMITS),
        conversions=_counter(pair_of[is_converted], by_pair),
    )


def _counter(numbers: npt.NDArray[np.int64], names: Any) -> Counter[Any]:
    """Count by name; several numbers may share one."""
    counter: Counter[Any] = Counter()
    if not len(numbers):  # the common case, and np.unique is slow at nothing
        return counter
    for number, count in zip(
        *(item.tolist() for item in np.unique(numbers, return_counts=True)), strict=True
    ):
        counter[names[number]] += count
    return counter
