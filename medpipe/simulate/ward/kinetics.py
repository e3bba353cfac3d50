"""How concentrations follow what is made and what is cleared.

Glossary: ``T`` hours, one value an hour; within an hour clearance and generation are constant.
"""

import math

import numpy as np
from scipy.signal import lfilter

from medpipe.core.affine import Array

ML_MIN_TO_L_H = 60.0 / 1000.0


def one_compartment(start: float, *, generation_per_h: Array, clearance_l_h: Array, volume_l: float) -> Array:
    """Return ``(T,)`` the concentration at each hour of what one well-mixed compartment holds.

    ``V dC/dt = G - K C`` is solved exactly over each hour, so no step is too long: towards ``G / K`` by
    ``1 - exp(-K / V)``.

    Args:
        start: Concentration at the first hour.
        generation_per_h: ``(T,)`` amount made in the hour that begins there; the last is not used.
        clearance_l_h: ``(T,)`` likewise, L/h, not negative; 0 is a kidney that does nothing.
        volume_l: Volume of distribution.

    Source:
        Waikar & Bonventre 2009, "Creatinine kinetics and the definition of acute kidney injury".
    """
    rate = clearance_l_h / volume_l
    kept = np.exp(-rate)
    # (1 - exp(-x)) / x tends to 1: without clearance all that is made stays.
    gained = generation_per_h / volume_l * -np.expm1(-rate) / np.where(rate > 0, rate, 1.0)
    gained = np.where(rate > 0, gained, generation_per_h / volume_l)
    values, level = [start], start
    for share, gain in zip(kept[:-1].tolist(), gained[:-1].tolist(), strict=True):
        level = level * share + gain
        values.append(level)
    return np.array(values)


def lagged(target: Array, lag_h: float) -> Array:
    """Return ``(..., T)`` what approaches a target with a time constant, from the target's first value."""
    keep = math.exp(-1.0 / lag_h)
    begin = target[..., :1] * keep
    followed: Array = lfilter([1.0 - keep], [1.0, -keep], target, axis=-1, zi=begin)[0]
    return followed


def wander(rng: np.random.Generator, rows: int, hours: int, lag_h: float) -> Array:
    """Return ``(rows, hours)`` stationary first-order noise of variance 1 that forgets within ``lag_h``."""
    keep = math.exp(-1.0 / lag_h)
    noise = rng.standard_normal((rows, hours))
    first = noise[:, :1] * (1.0 - math.sqrt(1.0 - keep**2))  # the first value has variance 1 already
    values: Array = lfilter([math.sqrt(1.0 - keep**2)], [1.0, -keep], noise, axis=-1, zi=first)[0]
    return values
