"""How injuries run in time: harm to the tubules, and filtration that falls later."""

from collections.abc import Iterable

import numpy as np

from medpipe.core.affine import Array
from medpipe.simulate.ward.insult import Injury


def tubular_function(time_h: Array, injuries: Iterable[Injury]) -> Array:
    """Return ``(T,)`` what the tubules can do, 1 (all) to 0; injuries multiply."""
    function = np.ones(len(time_h))
    for one in injuries:
        function *= 1.0 - one.tubular_harm * course(time_h, one.tubular_from_h, one)
    return function


def filtration_share(time_h: Array, injuries: Iterable[Injury]) -> Array:
    """Return ``(T,)`` filtration as a share of that before the stay; injuries multiply."""
    share = np.ones(len(time_h))
    for one in injuries:
        if one.loss > 0:
            share *= 1.0 - one.loss * course(time_h, one.filtration_from_h, one)
    return share


def course(time_h: Array, from_h: float, injury: Injury) -> Array:
    """Return ``(T,)`` an injury that begins at ``from_h``: up to 1, held, down to what lasts."""
    since = time_h - from_h
    rise = np.clip(since / injury.build_h, 0.0, 1.0)
    rise = rise * rise * (3.0 - 2.0 * rise)
    healing = np.maximum(since - injury.build_h - injury.hold_h, 0.0) / injury.recovery_h
    fallen: Array = rise * (injury.lasting + (1.0 - injury.lasting) * np.exp(-healing))
    return fallen
