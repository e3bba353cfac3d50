"""A ROC curve as values: what each threshold finds and what it calls in vain."""

from dataclasses import dataclass

from medpipe.core.affine import Array


@dataclass(frozen=True, eq=False)
class RocBand:
    """Where the curve of other patients would lie.

    Attributes:
        false_positive_rates: ``(Q,)`` ascending, from 0 to 1.
        low: ``(Q,)`` lower bound of the sensitivity at each.
        high: ``(Q,)`` upper bound.
        level: Probability that each of these intervals, alone, claims to hold.
    """

    false_positive_rates: Array
    low: Array
    high: Array
    level: float


@dataclass(frozen=True, eq=False)
class RocCurve:
    """The corners of a curve, from (0, 0) to (1, 1), straight between them.

    Attributes:
        false_positive_rates: ``(P,)`` 1 - specificity, ascending.
        sensitivities: ``(P,)`` ascending.
        area: Below the curve.
        band: Where it is known.
    """

    false_positive_rates: Array
    sensitivities: Array
    area: float
    band: RocBand | None = None
