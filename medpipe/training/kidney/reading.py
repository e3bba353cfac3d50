"""Prepared stays as tensors and tables: the variables and codes that the stays trained on have."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.stay_batch import StayBatch, StayTruth
from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_windows import StayWindow, WindowKey
from medpipe.ehr.bucketing import MEASURED, Floats, StaySteps
from medpipe.ehr.kidney_state import KIDNEY_STATE
from medpipe.ehr.stay_encoding import EncodedSteps, StayEncoding
from medpipe.ehr.stay_scales import Scale, StayScales, fit_scale
from medpipe.ehr.stay_statics import STATICS
from medpipe.ehr.stay_table import table_rows
from medpipe.training.kidney.preparation import stored_steps
from medpipe.training.kidney.recipe import InputsRecipe

_TRUTHS: Final = ("risks", "lab_maxima")

_STAYS_FOR_SCALES: Final = 3000
"""Stays that scales are learned from, at most: quartiles do not move for more."""


def fit_encoding(
    store: RaggedStore, stays: Sequence[int], recipe: InputsRecipe, *, seed: int
) -> StayEncoding:
    """Return how stays are encoded, learned from those that are trained on.

    Args:
        store: Prepared stays.
        stays: Numbers of those that are trained on.
        recipe: What is taken.
        seed: Of the draw of stays where there are many.
    """
    drawn = np.random.default_rng(seed).permutation(np.asarray(stays))[:_STAYS_FOR_SCALES].tolist()
    number_of = Counter[int]()
    codes = Counter[int]()
    for stay in stays:
        number_of.update(np.flatnonzero(store.read(stay, "counts")[-1]).tolist())
        codes.update(np.unique(store.read(stay, "codes")).tolist())
    least = min(recipe.least_stays, len(stays))
    wanted = MEASURED if recipe.variables is None else recipe.variables
    chosen = [place for place, name in enumerate(MEASURED) if name in wanted and number_of[place] >= least]
    entered: list[list[Floats]] = [[] for _ in chosen]
    for stay in drawn:
        carried, since_h = store.read(stay, "carried"), store.read(stay, "since_h")
        for place, values in zip(chosen, entered, strict=True):
            values.append(carried[since_h[:, place] == 0, place])
    statics = np.stack([store.read(stay, "statics") for stay in drawn])
    vocabulary: list[str] = store.facts["vocabulary"]
    return StayEncoding(
        scales=StayScales(
            variables=tuple(
                fit_scale(MEASURED[place], np.concatenate(values))
                for place, values in zip(chosen, entered, strict=True)
            ),
            statics=tuple(fit_scale(name, column) for name, column in zip(STATICS, statics.T, strict=True)),
            state=_state_scales(store, drawn) if recipe.state else (),
        ),
        codes=tuple(vocabulary[code] for code in sorted(codes) if codes[code] >= least)
        if recipe.codes
        else (),
        has_course=recipe.course,
    )


def _state_scales(store: RaggedStore, stays: Sequence[int]) -> tuple[Scale, ...]:
    state = np.concatenate([store.read(stay, "state") for stay in stays])
    return tuple(fit_scale(name, column) for name, column in zip(KIDNEY_STATE, state.T, strict=True))


class StayReader:
    """Reads prepared stays by an encoding.

    Args:
        store: Prepared stays.
        encoding: What is taken of them, and how it is scaled.
    """

    def __init__(self, store: RaggedStore, encoding: StayEncoding) -> None:
        self.store = store
        self.encoding = encoding
        self._columns = [MEASURED.index(name) for name in encoding.variables]
        numbers = {code: number for number, code in enumerate(encoding.codes)}
        self._renumbered = np.array([numbers.get(code, -1) for code in store.facts["vocabulary"]], np.int64)

    def steps(self, stay: int) -> StaySteps:
        """Return the steps of a stay, of the encoding's variables and codes alone."""
        return self._chosen(stored_steps(self.store, stay))

    def window(self, stay: int, start: int, stop: int) -> StayWindow:
        """Return steps ``start`` to ``stop`` of a stay as a batch of one."""
        return self.windows([WindowKey(stay, start, stop)])[0]

    def windows(self, keys: Sequence[WindowKey]) -> list[StayWindow]:
        """Return windows of stays, each a batch of one; they are encoded together, as one by one is slow."""
        if not keys:
            return []
        parts = [stored_steps(self.store, *key) for key in keys]
        lengths = [len(part.end_h) for part in parts]
        starts_h = [self.store.items[key.stay]["start_h"] for key in keys]
        encoded = self.encoding.encode(
            self._chosen(joined_steps(parts)),
            np.stack([self.store.read(key.stay, "statics") for key in keys]),
            start_h=np.repeat(starts_h, lengths),
        )
        batches = as_batches(encoded, lengths)
        return [
            StayWindow(batch, self._truth(key), key.start) for batch, key in zip(batches, keys, strict=True)
        ]

    def table(self, stays: Sequence[int]) -> Floats:
        """Return ``(N, F)`` rows of all steps of some stays, see :func:`table_rows`."""
        return np.concatenate(
            [
                table_rows(
                    self.steps(stay),
                    self.store.read(stay, "statics"),
                    start_h=self.store.items[stay]["start_h"],
                )
                for stay in stays
            ]
        )

    def _truth(self, key: WindowKey) -> StayTruth:
        arrays = (self.store.read(key.stay, name)[key.start : key.stop].copy() for name in _TRUTHS)
        return StayTruth(*(torch.from_numpy(array)[None] for array in arrays))

    def _chosen(self, whole: StaySteps) -> StaySteps:
        codes, code_counts = self._codes(whole)
        return replace(
            whole,
            carried=whole.carried[:, self._columns],
            least=whole.least[:, self._columns],
            greatest=whole.greatest[:, self._columns],
            since_h=whole.since_h[:, self._columns],
            counts=whole.counts[:, self._columns],
            codes=codes,
            code_counts=code_counts,
        )

    def _codes(self, whole: StaySteps) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if not self.encoding.codes:
            return np.zeros(0, dtype=np.int64), np.zeros(len(whole.end_h), dtype=np.int64)
        step = np.repeat(np.arange(len(whole.end_h)), whole.code_counts)
        codes = self._renumbered[whole.codes]
        return codes[codes >= 0], np.bincount(step[codes >= 0], minlength=len(whole.end_h))


def joined_steps(parts: Sequence[StaySteps]) -> StaySteps:
    """Return the steps of several stays, one after the other."""
    names = [item.name for item in fields(StaySteps)]
    return StaySteps(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def as_batches(encoded: EncodedSteps, lengths: Sequence[int]) -> list[StayBatch]:
    """Return several stays, encoded one after the other, each as a batch of one.

    Args:
        encoded: With statics ``(B, 2 * D)``.
        lengths: Steps of each stay.
    """
    arrays = (encoded.presence, encoded.values, encoded.since_h, encoded.course, encoded.code_counts)
    columns = [
        [None] * len(lengths)
        if array is None
        else torch.split(torch.from_numpy(array)[None], list(lengths), dim=1)
        for array in arrays
    ]
    codes: Sequence[torch.Tensor | None] = [None] * len(lengths)
    if encoded.codes is not None and encoded.code_counts is not None:
        ends = np.cumsum([counts.sum() for counts in np.split(encoded.code_counts, np.cumsum(lengths)[:-1])])
        codes = torch.from_numpy(encoded.codes).tensor_split(ends[:-1].tolist())
    statics = torch.split(torch.from_numpy(encoded.statics), 1)
    return [
        StayBatch(presence, values, since_h, told, torch.tensor([length]), course, numbers, counts)
        for presence, values, since_h, course, counts, told, length, numbers in zip(
            *columns, statics, lengths, codes, strict=True
        )
    ]
