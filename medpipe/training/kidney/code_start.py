"""Vectors of codes from skip-gram or CBOW as the lookups that a network of kidney injury begins with."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.ragged_store import RaggedStore
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.text.code_vector_file import read_code_vectors, write_code_vectors
from medpipe.text.code_vectors import CodeVectors, Floats, VectorSettings
from medpipe.text.word2vec import digest_of, require_gensim
from medpipe.training.codes.embedding import code_vectors_of
from medpipe.training.codes.sentences import band_codes
from medpipe.training.kidney.recipe import KidneyRecipe

CODE_VECTORS: Final = "code-vectors.safetensors"
"""In a training's folder: the vectors that its networks began with."""


class LookupStart(NamedTuple):
    """How much of a network's lookups began with vectors.

    Attributes:
        codes_found: Codes of the vocabulary that have one.
        codes: Size of the vocabulary.
        variables_found: Variables that have one.
        variables: Number of variables.
        of_train: Whether the vectors were learned from the patients that are trained on, all and no others.
    """

    codes_found: int
    codes: int
    variables_found: int
    variables: int
    of_train: bool

    @property
    def words(self) -> str:
        """What it is, for people."""
        text = (
            f"code vectors: {self.codes_found} of {self.codes} codes and "
            f"{self.variables_found} of {self.variables} variables begin with one"
        )
        if not self.of_train:
            text += (
                "; they were learned from other patients than are trained on: "
                "figures flatter if test patients are among them"
            )
        return text


def check_code_vectors(recipe: KidneyRecipe) -> None:
    """Refuse vectors of codes that cannot come to be, before any work.

    Raises:
        SettingsError: Their dimension is not the network's ``embedding``, or the file holds none.
        NoInputError: There is no file.
        MachineError: They are to be learned and gensim is not installed.
    """
    chosen = recipe.inputs.code_vectors
    if chosen is None:
        return
    if isinstance(chosen, VectorSettings):
        require_gensim()
        dimension = chosen.dimension
    else:
        dimension = read_code_vectors(Path(chosen)).made_by.settings.dimension
    width = recipe.network.arguments.get("embedding", _DEFAULT_WIDTH)
    if dimension != width:
        raise SettingsError(
            Code.E_SETTINGS,
            f"Vectors of codes must have as many numbers as the network's embedding, {width}",
            found=f"{dimension}",
            fix=f"Set their dimension to {width}, or network.arguments.embedding to {dimension}.",
        )


def initial_vectors(
    recipe: KidneyRecipe, store: RaggedStore, train: Sequence[int], folder: Path
) -> CodeVectors | None:
    """Return the vectors that networks begin with, which are written to the folder; None for none.

    Args:
        recipe: Whether, and how they are learned or where they lie.
        store: Prepared stays.
        train: Numbers of those that are trained on: the only ones that vectors are learned from.
        folder: Of the training; vectors that lie there already are taken.

    Raises:
        NoInputError: There is no file, or too few codes to learn from.
        SettingsError: The file holds no vectors.
        MachineError: gensim is not installed, or the disk is full.
    """
    chosen = recipe.inputs.code_vectors
    if chosen is None:
        return None
    kept = folder / CODE_VECTORS
    if kept.exists():
        return read_code_vectors(kept)
    if isinstance(chosen, VectorSettings):
        vectors = code_vectors_of(store, sorted(train), chosen)
    else:
        vectors = read_code_vectors(Path(chosen))
    write_code_vectors(kept, vectors)
    return vectors


def lookup_start(
    vectors: CodeVectors, encoding: StayEncoding, store: RaggedStore, train: Sequence[int]
) -> LookupStart:
    """Return how many codes and variables of an encoding have a vector, and whose patients they are of."""
    codes, variables = (_found(rows) for rows in _rows(vectors, encoding))
    patients = digest_of(str(store.items[stay]["patient"]) for stay in train)
    return LookupStart(
        codes,
        len(encoding.codes),
        variables,
        len(encoding.variables),
        of_train=patients == vectors.made_by.patients_digest,
    )


def start_lookups(network: AkiRnn, vectors: CodeVectors, encoding: StayEncoding) -> None:
    """Begin the lookups of codes and of presence with vectors; those without one keep their draw.

    A variable whose values have bands begins with the mean of its bands. The vectors are centred on the mean
    of their file and have the spread of the draw that they replace: as word2vec leaves them, sums of them
    would reach far beyond where the tanh behind them bends.

    Args:
        network: New; changed.
        vectors: As wide as its embedding.
        encoding: Its codes and variables.

    Raises:
        ShapeError: They are of another width.
    """
    centre = vectors.vectors.mean(axis=0)
    spread = float(np.sqrt(np.square(vectors.vectors - centre).mean()))
    codes, variables = _rows(vectors, encoding)
    for name, rows in (("codes", codes), ("presence", variables)):
        if len(rows):
            lookup = network.embedding.of(name).lookup
            drawn = float(lookup.vectors.detach().square().mean().sqrt())
            factor = drawn / spread if spread else 1.0
            lookup.start_from(torch.from_numpy((rows - centre) * factor))


def _rows(vectors: CodeVectors, encoding: StayEncoding) -> tuple[Floats, Floats]:
    """Return the vectors of an encoding's codes, and of its variables; NaN for those that have none."""
    variables = np.full((len(encoding.variables), vectors.vectors.shape[1]), np.nan, dtype=np.float32)
    for row, name in enumerate(encoding.variables):
        known = vectors.of((name, *band_codes(name, vectors.made_by.settings.bands)))
        known = known[np.isfinite(known).all(axis=1)]
        if len(known):
            variables[row] = known.mean(axis=0)
    return vectors.of(encoding.codes), variables


def _found(rows: Floats) -> int:
    return int(np.isfinite(rows).all(axis=1).sum())


_DEFAULT_WIDTH: Final = inspect.signature(AkiRnn).parameters["embedding"].default
