"""From files of health records to vectors of their codes: one patient in memory at a time."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, RefusedError
from medpipe.data.ragged_store import RaggedStore, write_ragged
from medpipe.data.stay_splits import read_patient_split
from medpipe.ehr.bucketing import MEASURED, bucket_record, step_ends
from medpipe.ehr.coded_events import CODE_PREFIXES, with_codes
from medpipe.ehr.harmonise import harmonise
from medpipe.ehr.hospital_stays import hospital_stays
from medpipe.ehr.mapping import PREDICATES_OF, Predicates, read_predicates
from medpipe.io.atomic import TEMPORARY_PREFIX
from medpipe.io.records.open_records import open_records, sniff_records
from medpipe.text.code_vector_file import write_code_vectors
from medpipe.text.code_vectors import CodeVectors, VectorSettings
from medpipe.text.word2vec import require_gensim, train_code_vectors
from medpipe.training.codes.sentences import StaySentences

Progress = Callable[[str, int, int], None]


def embed_codes(
    records: Path,
    output: Path,
    settings: VectorSettings,
    *,
    predicates: str = "",
    hours: float = 6.0,
    split: Path | None = None,
    progress: Progress | None = None,
) -> CodeVectors:
    """Learn vectors of the variables and codes of health records, and write them.

    Args:
        records: In any form that is read; once: what is learned from lies beside the output until the end.
        output: The file.
        settings: How.
        predicates: Meanings of the source's codes, by name or file; those shipped for its form by default.
        hours: Length of a step: what is met within it is one sentence.
        split: A training's ``patients.json``: only patients of its training part are learned from.
        progress: Called with ``"read"`` and patients done.

    Raises:
        NoInputError: There are no records, none of the split's patients, or too few codes.
        SettingsError: The records, the predicates or the split are malformed.
        MachineError: The disk is full, or gensim is not installed.
    """
    require_gensim()
    chosen = set(read_patient_split(split).train) if split is not None else None
    meanings = read_predicates(predicates or PREDICATES_OF[sniff_records(records)])
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=output.parent) as scratch:
        store = _gathered(records, Path(scratch) / "stays", meanings, hours, progress)
        stays = [
            number for number, item in enumerate(store.items) if chosen is None or item["patient"] in chosen
        ]
        if not stays:
            raise NoInputError(
                Code.E_NO_INPUT,
                "None of the patients to learn from is in the records",
                found=f"{len(chosen or ())} patients in the split, {len(store)} stays of others",
                fix="Give the records that the split was made for.",
            )
        vectors = code_vectors_of(store, stays, settings)
    write_code_vectors(output, vectors)
    return vectors


def code_vectors_of(store: RaggedStore, stays: list[int], settings: VectorSettings) -> CodeVectors:
    """Return vectors learned from some of the prepared stays of a store, and from no others."""
    sentences = StaySentences(store, stays, bands=settings.bands, seed=settings.seed)
    return train_code_vectors(sentences, settings, borders=sentences.borders)


def _gathered(
    records: Path, folder: Path, meanings: Predicates, hours: float, progress: Progress | None
) -> RaggedStore:
    vocabulary: dict[str, int] = {}
    facts: dict[str, Any] = {"variables": list(MEASURED)}

    def items() -> Iterator[tuple[dict[str, Any], Mapping[str, npt.NDArray[Any]]]]:
        for done, raw in enumerate(open_records(records), start=1):
            try:
                record = with_codes(harmonise(raw, meanings).record, raw)
            except RefusedError:
                continue
            for code in sorted({str(code) for code in record.codes if str(code).startswith(CODE_PREFIXES)}):
                vocabulary.setdefault(code, len(vocabulary))
            for stay in hospital_stays(record):
                ends = step_ends(stay.admission_h, stay.end_h, hours)
                if len(ends):
                    steps = bucket_record(record, ends, start_h=stay.admission_h, vocabulary=vocabulary)
                    yield (
                        {"patient": record.patient_id},
                        {
                            "carried": steps.carried,
                            "since_h": steps.since_h,
                            "codes": steps.codes.astype(np.int32),
                            "code_counts": steps.code_counts.astype(np.int32),
                        },
                    )
            if progress is not None:
                progress("read", done, 0)
        facts["vocabulary"] = list(vocabulary)

    write_ragged(folder, items(), facts=facts)
    return RaggedStore(folder)
