"""Word2vec on sentences of codes: skip-gram and CBOW, the same vectors for the same seed."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, NoInputError
from medpipe.text.code_vectors import CodeVectors, Method, VectorOrigin, VectorSettings

MAX_WINDOW: Final = 64
"""Codes to either side that a code is paired with, at most.

The window takes in the whole sentence up to here; of longer ones the order, drawn anew each time, decides.
"""

_LEAST_CODES: Final = 2
_SUBSAMPLED: Final = 0.1
"""Share of all codes, in mean shares of a code, above which one is passed over now and then: what stands in
every sentence, such as the heart rate, says little (Mikolov et al. 2013, "Distributed representations of
words and phrases", with 1e-5 for words)."""


class PatientCodes(NamedTuple):
    """A patient, and what was met in each step of time: one sentence of codes a step."""

    patient: str
    sentences: Sequence[Sequence[str]]


Corpus = Iterable[PatientCodes]
"""Patients, each once; it can be read again and again, and is held in memory by nobody."""


def require_gensim() -> Any:
    """Return gensim's models.

    Raises:
        MachineError: It is not installed (``E_DEVICE``).
    """
    try:
        from gensim import models
    except ImportError as error:
        raise MachineError(
            Code.E_DEVICE,
            "Vectors of codes are learned by gensim",
            found="no package gensim",
            fix="Install medpipe[ehr].",
        ) from error
    return models


def train_code_vectors(
    corpus: Corpus, settings: VectorSettings, *, borders: Mapping[str, tuple[float, ...]] | None = None
) -> CodeVectors:
    """Learn vectors from sentences of codes.

    The order within a sentence means nothing: it is drawn anew each time. One thread works, so that the
    same corpus and settings give the same vectors.

    Args:
        corpus: Read once to count, then once an epoch.
        settings: How. Fewer patients than ``least_patients`` must all have a code.
        borders: Of the bands of values, to be kept with the vectors.

    Raises:
        MachineError: gensim is not installed.
        NoInputError: Fewer than two codes are left (``E_NO_INPUT``).
    """
    models = require_gensim()
    counts = _count(corpus)
    least = min(settings.least_patients, counts.num_patients)
    kept = {code: counts.codes[code] for code in sorted(counts.codes) if counts.patients[code] >= least}
    if len(kept) < _LEAST_CODES:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"Vectors need two codes at least that {least} patients have",
            found=f"{len(kept)} such codes, {counts.num_patients} patients",
            fix="Give more records, ask for fewer patients, or check the predicates of the records.",
        )
    model = models.Word2Vec(
        vector_size=settings.dimension,
        sg=int(settings.method is Method.SKIP_GRAM),
        negative=settings.negative,
        window=max(1, min(counts.longest - 1, MAX_WINDOW)),
        shrink_windows=False,
        sample=_SUBSAMPLED / len(kept),
        min_count=1,
        workers=1,
        seed=settings.seed,
    )
    model.build_vocab_from_freq(kept, corpus_count=counts.num_sentences)
    shuffled = _Shuffled(corpus, settings.seed)
    model.train(shuffled, total_examples=counts.num_sentences, epochs=settings.epochs)
    if shuffled.failure is not None:
        raise shuffled.failure
    origin = VectorOrigin(
        settings=settings,
        patients=counts.num_patients,
        patients_digest=counts.patients_digest,
        sentences=counts.num_sentences,
        borders=borders or {},
    )
    vectors = np.stack([model.wv[code] for code in kept]).astype(np.float32)
    return CodeVectors(tuple(kept), vectors, origin)


def digest_of(patients: Iterable[str]) -> str:
    """Return the SHA-256 of some ids, in any order, each once or more."""
    return hashlib.sha256("\n".join(sorted(set(patients))).encode()).hexdigest()


class _Counts(NamedTuple):
    """Codes of all sentences, patients of each code, and the size of the corpus."""

    codes: Counter[str]
    patients: Counter[str]
    num_patients: int
    patients_digest: str
    num_sentences: int
    longest: int


def _count(corpus: Corpus) -> _Counts:
    codes, patients = Counter[str](), Counter[str]()
    ids = []
    num_sentences = longest = 0
    for one in corpus:
        ids.append(one.patient)
        met: set[str] = set()
        for sentence in one.sentences:
            codes.update(sentence)
            met.update(sentence)
            longest = max(longest, len(sentence))
        patients.update(met)
        num_sentences += len(one.sentences)
    return _Counts(codes, patients, len(ids), digest_of(ids), num_sentences, longest)


class _Shuffled:
    """The sentences of a corpus, each in an order drawn by the seed and the number of the reading.

    Gensim reads in a thread of its own and would wait for ever where that fails: the error ends the reading
    and is kept for the caller.
    """

    def __init__(self, corpus: Corpus, seed: int) -> None:
        self._corpus = corpus
        self._seed = seed
        self._readings = 0
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[list[str]]:
        rng = np.random.default_rng((self._seed, self._readings))
        self._readings += 1
        try:
            for one in self._corpus:
                for sentence in one.sentences:
                    codes = sorted(sentence)
                    yield [codes[place] for place in rng.permutation(len(codes)).tolist()]
        except Exception as error:
            self.failure = error
