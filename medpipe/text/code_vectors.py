"""Vectors of medical codes: codes that are met together lie near each other.

Letters: N codes, D numbers of a vector.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import Value

Floats = npt.NDArray[np.float32]

_SHOWN: Final = 5
"""Codes that an error names where none is spelled nearly so."""


class Method(StrEnum):
    """How word2vec learns.

    Source:
        Mikolov et al. 2013, "Efficient estimation of word representations in vector space".
    """

    SKIP_GRAM = "skip-gram"
    """A code foretells each of those around it."""
    CBOW = "cbow"
    """The mean of those around it foretells a code."""


class VectorSettings(Value):
    """How vectors are learned.

    Attributes:
        method: Skip-gram or CBOW.
        dimension: Numbers of a vector.
        epochs: Times that every sentence is read.
        negative: Codes drawn by chance that each pair is held against.
        least_patients: Patients who must have a code for it to get a vector.
        bands: Parts that the values of a variable are cut into, each a code of its own: 3 or 5 with as many
            values in each, or 1 for none.
        seed: Of first vectors, order and draws.
    """

    method: Method = Method.SKIP_GRAM
    dimension: int = Field(default=64, ge=1)
    epochs: int = Field(default=20, ge=1)
    negative: int = Field(default=5, ge=1)
    least_patients: int = Field(default=10, ge=1)
    bands: Literal[1, 3, 5] = 3
    seed: int = Field(default=0, ge=0, lt=2**32)


class VectorOrigin(Value):
    """What vectors were learned from.

    Attributes:
        settings: How.
        patients: Number of patients.
        patients_digest: SHA-256 of their sorted ids: tells whether two sets are one, and names nobody.
        sentences: Number of steps of time with a code.
        borders: Values that part the bands of each variable that has bands, in its unit.
    """

    settings: VectorSettings
    patients: int
    patients_digest: str
    sentences: int
    borders: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)


class Neighbour(NamedTuple):
    """A code, and the cosine of the angle between its vector and another one."""

    code: str
    similarity: float


@dataclass(frozen=True, eq=False)
class CodeVectors:
    """A vector for each of some codes.

    Attributes:
        codes: N codes, sorted.
        vectors: ``(N, D)`` float32.
        made_by: What they were learned from.

    Raises:
        ShapeError: There is not one finite vector a code, or a code stands twice.
    """

    codes: tuple[str, ...]
    vectors: Floats
    made_by: VectorOrigin

    def __post_init__(self) -> None:
        shape = (len(self.codes), self.made_by.settings.dimension)
        if self.vectors.shape != shape or len(set(self.codes)) < len(self.codes):
            raise ShapeError(
                f"Vectors of different codes are {shape}",
                found=f"{self.vectors.shape} of {len(set(self.codes))} different ones",
            )
        if not np.isfinite(self.vectors).all():
            raise ShapeError("Vectors of codes are finite", found="NaN or infinity")

    def of(self, codes: Sequence[str]) -> Floats:
        """Return ``(len(codes), D)`` their vectors; NaN for those that have none."""
        found = np.full((len(codes), self.vectors.shape[1]), np.nan, dtype=np.float32)
        for row, code in enumerate(codes):
            if code in self._places:
                found[row] = self.vectors[self._places[code]]
        return found

    def nearest(self, code: str, number: int = 10) -> tuple[Neighbour, ...]:
        """Return the codes whose vectors point the way of a code's, the nearest first.

        Args:
            code: One of :attr:`codes`.
            number: How many, at most; the code itself is none of them.

        Raises:
            SettingsError: It has no vector; the code that is spelled most like it is named.
        """
        if code not in self._places:
            raise SettingsError(
                Code.E_SETTINGS,
                f"There is no vector of the code {code!r}",
                found=f"{len(self.codes)} other codes",
                fix=self._spelling(code),
            )
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        directions = self.vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        place = self._places[code]
        similarity = directions @ directions[place]
        order = [row for row in np.argsort(-similarity, kind="stable").tolist() if row != place]
        return tuple(Neighbour(self.codes[row], float(similarity[row])) for row in order[:number])

    @cached_property
    def _places(self) -> dict[str, int]:
        return {code: row for row, code in enumerate(self.codes)}

    def _spelling(self, code: str) -> str:
        written = {known.lower(): known for known in self.codes}
        close = difflib.get_close_matches(code.lower(), written, n=1, cutoff=0.5)
        if close:
            return f"Did you mean {written[close[0]]!r}?"
        return f"There are such as {', '.join(self.codes[:_SHOWN])}."
