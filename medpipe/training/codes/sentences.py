"""Prepared stays as sentences: what was measured, in which band of its values, and the codes of each step."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.data.ragged_store import RaggedStore
from medpipe.text.word2vec import PatientCodes

BAND_NAMES: Final[Mapping[int, tuple[str, ...]]] = {
    1: (),
    3: ("low", "middle", "high"),
    5: ("lowest", "low", "middle", "high", "highest"),
}
"""By number of bands; a band is a code such as ``creatinine//high``."""

_STAYS_FOR_BORDERS: Final = 3000
"""Stays that borders are learned from, at most: quantiles do not move for more."""


class StaySentences:
    """One sentence for each step of each stay; patients are those whose stays are given, each once.

    A sentence holds each variable that was measured in the step, by its last value where values have bands,
    and each drug, diagnosis and procedure of the step. Borders of bands are quantiles of the values of the
    given stays. A variable whose quantiles meet, such as dialysis, has no bands.

    Args:
        store: Prepared stays.
        stays: Numbers of those that are read, and of no others; those of a patient follow each other.
        bands: 1, 3 or 5.
        seed: Of the draw of stays for the borders, where there are many.
    """

    def __init__(self, store: RaggedStore, stays: Sequence[int], *, bands: int, seed: int) -> None:
        self._store = store
        self._stays = stays
        self._variables: list[str] = store.facts["variables"]
        self.borders = self._fit_borders(bands, seed) if bands > 1 else {}
        names: list[str] = []
        self._first: list[int] = []
        for variable in self._variables:
            self._first.append(len(names))
            names += band_codes(variable, bands) if variable in self.borders else (variable,)
        self._first_code = len(names)
        self._names = np.array([*names, *store.facts["vocabulary"]], dtype=object)

    def __iter__(self) -> Iterator[PatientCodes]:
        """Yield each patient; steps in which nothing was met are left out."""
        for patient, stays in groupby(self._stays, key=lambda stay: str(self._store.items[stay]["patient"])):
            yield PatientCodes(patient, [sentence for stay in stays for sentence in self._sentences(stay)])

    def _sentences(self, stay: int) -> Iterator[list[str]]:
        steps, places = np.nonzero(self._store.read(stay, "since_h") == 0)
        carried = self._store.read(stay, "carried")
        numbers = np.array(self._first, dtype=np.int64)[places]
        for place, variable in enumerate(self._variables):
            if variable in self.borders and (here := places == place).any():
                values = carried[steps[here], place]
                numbers[here] += np.searchsorted(self.borders[variable], values, side="right")
        counts = self._store.read(stay, "code_counts")
        steps = np.concatenate([steps, np.repeat(np.arange(len(counts)), counts)])
        numbers = np.concatenate([numbers, self._first_code + self._store.read(stay, "codes")])
        order = np.argsort(steps, kind="stable")
        ends = np.flatnonzero(np.diff(steps[order])) + 1
        for sentence in np.split(numbers[order], ends):
            if len(sentence):
                yield self._names[sentence].tolist()

    def _fit_borders(self, bands: int, seed: int) -> dict[str, tuple[float, ...]]:
        drawn = np.random.default_rng(seed).permutation(np.asarray(self._stays, dtype=np.int64))
        entered: list[list[npt.NDArray[Any]]] = [[] for _ in self._variables]
        for stay in drawn[:_STAYS_FOR_BORDERS].tolist():
            carried, since_h = self._store.read(stay, "carried"), self._store.read(stay, "since_h")
            for place in np.flatnonzero((since_h == 0).any(axis=0)).tolist():
                entered[place].append(carried[since_h[:, place] == 0, place])
        shares = np.arange(1, bands) / bands
        borders = {}
        for variable, values in zip(self._variables, entered, strict=True):
            if values:
                known = np.concatenate(values).astype(np.float64)
                found = np.quantile(known, shares)
                if known.min() < found[0] and (np.diff(found) > 0).all():
                    borders[variable] = tuple(found.tolist())
        return borders


def band_codes(variable: str, bands: int) -> tuple[str, ...]:
    """Return the codes of a variable's bands, the lowest first; the variable itself where it has none."""
    return tuple(f"{variable}//{band}" for band in BAND_NAMES[bands]) or (variable,)
