"""Prepared stays as tensors and tables: the variables and codes that the stays trained on have."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.stay_batch import StayTruth
from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_windows import StayWindow
from medpipe.ehr.bucketing import MEASURED, Floats, StaySteps, part_of
from medpipe.ehr.kidney_state import KIDNEY_STATE
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_scales import Scale, StayScales, fit_scale
from medpipe.ehr.stay_statics import STATICS
from medpipe.ehr.stay_table import table_rows
from medpipe.ehr.stay_tensors import as_batch
from medpipe.training.kidney.preparation import stored_steps
from medpipe.training.kidney.recipe import InputsRecipe

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
        whole = stored_steps(self.store, stay)
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

    def window(self, stay: int, start: int, stop: int) -> StayWindow:
        """Return steps ``start`` to ``stop`` of a stay as a batch of one."""
        steps = part_of(self.steps(stay), start, stop)
        statics = self.store.read(stay, "statics")
        encoded = self.encoding.encode(steps, statics, start_h=self.store.items[stay]["start_h"])
        truth = StayTruth(
            *(
                torch.from_numpy(np.array(self.store.read(stay, name)[start:stop]))[None]
                for name in ("risks", "lab_maxima")
            )
        )
        return StayWindow(as_batch(encoded), truth, start)

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

    def _codes(self, whole: StaySteps) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        if not self.encoding.codes:
            return np.zeros(0, dtype=np.int64), np.zeros(len(whole.end_h), dtype=np.int64)
        step = np.repeat(np.arange(len(whole.end_h)), whole.code_counts)
        codes = self._renumbered[whole.codes]
        return codes[codes >= 0], np.bincount(step[codes >= 0], minlength=len(whole.end_h))
