"""One value a variable and moment: duplicates dropped, medians of levels, sums of amounts."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from medpipe.ehr.interpretation import Interpreted
from medpipe.ehr.variables import VARIABLES

_IS_ADDITIVE: Final = np.array([variable.is_additive for variable in VARIABLES.values()])


class Merged(NamedTuple):
    """Events in the order of time, those of one moment in the order of variables, each once.

    Attributes:
        time_h: ``(T,)`` hours, ascending.
        variable: ``(T,)`` number of the variable.
        values: ``(T,)`` in the variable's own unit.
        duplicates: Rows that repeated another one.
        merged: Rows that went into a median, beyond the first of each.
        summed: Rows that went into a sum, beyond the first of each.
    """

    time_h: npt.NDArray[np.float64]
    variable: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    duplicates: int
    merged: int
    summed: int


def merge(rows: Interpreted) -> Merged:
    """Join what one moment says several times.

    Of a level, all rows of one time tell of one blood sample, whatever code each bears. Amounts are told
    apart by the source's code: two catheters may drain at once, and the same code twice is a correction.
    """
    key = np.where(_IS_ADDITIVE[rows.variable], len(VARIABLES) + rows.source_code, rows.variable)
    order = np.lexsort((rows.values, key, rows.time_h))
    time_h, key, values = rows.time_h[order], key[order], rows.values[order]
    variable = rows.variable[order]
    repeats = ~_is_new(time_h, key, values)
    time_h, key, values, variable = time_h[~repeats], key[~repeats], values[~repeats], variable[~repeats]
    starts = np.flatnonzero(_is_new(time_h, key))
    medians = _medians(values, starts)
    time_h, variable = time_h[starts], variable[starts]
    order = np.lexsort((variable, time_h))
    time_h, variable, medians = time_h[order], variable[order], medians[order]
    moments = np.flatnonzero(_is_new(time_h, variable))
    sums = np.add.reduceat(medians, moments) if len(moments) else medians
    return Merged(
        time_h[moments],
        variable[moments],
        sums,
        duplicates=int(repeats.sum()),
        merged=len(values) - len(starts),
        summed=len(starts) - len(moments),
    )


def _is_new(*columns: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Tell for each of the sorted rows whether it differs from the one before."""
    new = np.ones(len(columns[0]), bool)
    if len(new):
        new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return new


def _medians(values: npt.NDArray[np.float64], starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the median of each group of values that are sorted within it."""
    sizes = np.diff(np.append(starts, len(values)))
    low, high = values[starts + (sizes - 1) // 2], values[starts + sizes // 2]
    middle: npt.NDArray[np.float64] = low + (high - low) / 2
    return middle
