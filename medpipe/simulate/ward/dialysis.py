"""Dialysis for those whose kidneys fail: when it begins, and its sessions."""

from typing import Final

import numpy as np

from medpipe.core.affine import Array

CREATININE_RATIO, CREATININE_UMOL_L = 3.0, 500.0
POTASSIUM_MMOL_L, UREA_MMOL_L = 6.6, 40.0
FAILED_SHARE: Final = 0.30
"""It begins at three times the baseline and one of these limits, while filtration is below this share."""

SESSION_H: Final = 4
EVERY_H: Final = 48
PREPARATION_H: Final = 4
"""Length of a session, pause from start to start, and hours until the catheter lies."""


def first_need(creatinine: Array, urea: Array, potassium: Array, filtration: Array) -> int | None:
    """Return the index of the first hour at which dialysis is needed, None where it never is."""
    failing = (creatinine >= CREATININE_RATIO * creatinine[0]) & (filtration < FAILED_SHARE)
    limits = (creatinine >= CREATININE_UMOL_L) | (potassium >= POTASSIUM_MMOL_L) | (urea >= UREA_MMOL_L)
    hours = np.flatnonzero(failing & limits)
    return int(hours[0]) if len(hours) else None


def session_starts(need: int, filtration: Array) -> list[int]:
    """Return the indices of the hours at which sessions begin, until the kidney works again."""
    starts: list[int] = []
    for start in range(need + PREPARATION_H, len(filtration) - SESSION_H, EVERY_H):
        if filtration[start] >= FAILED_SHARE and starts:
            break
        starts.append(start)
    return starts


def in_session(starts: list[int], hours: int) -> Array:
    """Return ``(T,)`` 1 in the hours of sessions, else 0."""
    sessions = np.zeros(hours)
    for start in starts:
        sessions[start : start + SESSION_H] = 1.0
    return sessions
