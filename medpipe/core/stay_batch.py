"""Stays in hospital as a network reads them, step by step, and what is to be forecast at each step.

Letters: B stays, T steps of time, V variables, E extremes, D statics, M codes of all steps, H horizons,
L labs.
"""

from typing import NamedTuple

import torch

from medpipe.core.errors import ShapeError


class StayBatch(NamedTuple):
    """Stays of different lengths, each padded at its end; nothing past the end of a stay is looked at.

    Attributes:
        presence: ``(B, T, V)`` bool, or 0 and 1: whether a variable was measured in a step.
        values: ``(B, T, V)`` float, normalised; not looked at where nothing was measured.
        time_since_h: ``(B, T, V)`` float: hours since a variable was last measured, 0 where it was in this
            step, ``inf`` where it never was.
        statics: ``(B, D)`` float, normalised: what does not change; D may be 0.
        lengths: ``(B,)`` int64: steps of each stay, 0 to T.
        extremes: ``(B, T, E)`` float, normalised: least and largest values since admission, 0 where there are
            none.
        codes: ``(M,)`` int64: numbers of the codes of all steps, stay by stay, step by step.
        code_counts: ``(B, T)`` int64: codes of each step, M in all, 0 past the end of a stay.
    """

    presence: torch.Tensor
    values: torch.Tensor
    time_since_h: torch.Tensor
    statics: torch.Tensor
    lengths: torch.Tensor
    extremes: torch.Tensor | None = None
    codes: torch.Tensor | None = None
    code_counts: torch.Tensor | None = None

    def to(self, device: str) -> "StayBatch":
        """Return the batch on a device."""
        return self._replace(
            **{name: item.to(device) for name, item in self._asdict().items() if item is not None}
        )

    def steps(self, start: int, stop: int) -> "StayBatch":
        """Return some steps of every stay; stays that ended before have a length of 0.

        Raises:
            ShapeError: There are no such steps.
        """
        num_steps = self.presence.shape[1]
        if not 0 <= start < stop <= num_steps:
            raise ShapeError(
                "A part of a batch must have one step or more of it",
                found=f"steps {start} to {stop} of {num_steps}",
            )
        part = self._replace(
            presence=self.presence[:, start:stop],
            values=self.values[:, start:stop],
            time_since_h=self.time_since_h[:, start:stop],
            lengths=(self.lengths - start).clamp(0, stop - start),
            extremes=None if self.extremes is None else self.extremes[:, start:stop],
        )
        if self.codes is None or self.code_counts is None:
            return part
        inside = torch.zeros_like(self.code_counts, dtype=torch.bool)
        inside[:, start:stop] = True
        chosen = inside.flatten().repeat_interleave(self.code_counts.flatten())
        return part._replace(codes=self.codes[chosen], code_counts=self.code_counts[:, start:stop])


class StayTruth(NamedTuple):
    """What happened within each horizon of each step.

    Attributes:
        risks: ``(B, T, H)`` float: 1 where the event came within the horizon, 0 where it did not; NaN where
            that is unknown, is not asked, and past the end of a stay.
        lab_maxima: ``(B, T, H, L)`` float: the largest value of each lab within the horizon, in its unit; NaN
            where it was not measured, and past the end of a stay.
    """

    risks: torch.Tensor
    lab_maxima: torch.Tensor
