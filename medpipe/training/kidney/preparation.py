"""From files of health records to a store of prepared stays: one patient in memory at a time."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, RefusedError, SettingsError
from medpipe.core.patient_record import PatientRecord
from medpipe.data.ragged_store import RaggedStore, write_ragged
from medpipe.ehr.bucketing import MEASURED, StaySteps, bucket_record
from medpipe.ehr.coded_events import CODE_PREFIXES, with_codes
from medpipe.ehr.harmonise import Harmonised, harmonise
from medpipe.ehr.hospital_stays import HospitalStay, hospital_stays
from medpipe.ehr.kidney_labels import KidneyTruth, LabelRule, label_kidney, label_yaib
from medpipe.ehr.mapping import PREDICATES_OF, Predicates, read_predicates
from medpipe.ehr.stay_statics import STATICS, static_numbers
from medpipe.io.records.open_records import open_records, sniff_records
from medpipe.io.records.raw_patient import SEX, UNIT, Labels
from medpipe.training.kidney.recipe import KidneyRecipe, Yaib6

Progress = Callable[[str, int, int], None]

_FLOAT_ARRAYS: Final = ("carried", "least", "greatest", "since_h", "state")


def prepare_stays(
    recipe: KidneyRecipe,
    records: Path,
    folder: Path,
    *,
    predicates: str = "",
    progress: Progress | None = None,
) -> RaggedStore:
    """Return the prepared stays of some records; they are read only where the folder does not hold them yet.

    Args:
        recipe: Task, labs and whether codes are taken decide on what is prepared.
        records: Files in any form that is read.
        folder: Of the store.
        predicates: Meanings of the source's codes, by name or file; those shipped for its form by default.
        progress: Called with ``"read"`` and patients done.

    Raises:
        NoInputError: There are no records, or no stay has a step.
        SettingsError: The records are malformed, bring no labels that the task needs, or the folder holds
            stays that were prepared in another way (``E_OUTPUT``).
    """
    source = sniff_records(records)
    meanings = read_predicates(predicates or PREDICATES_OF[source])
    made_by = json.loads(
        json.dumps(
            {
                "task": recipe.task.model_dump(mode="json"),
                "labs": recipe.labs,
                "codes": recipe.inputs.codes,
                "source": records.name,
                "predicates": meanings.name,
            }
        )
    )
    if not folder.exists():
        facts: dict[str, Any] = {"made_by": made_by}
        write_ragged(folder, _items(recipe, records, meanings, facts, progress), facts=facts)
    store = RaggedStore(folder)
    if store.facts.get("made_by") != made_by:
        raise SettingsError(
            Code.E_OUTPUT,
            f"The folder {folder.name} holds stays that were prepared for another task or source",
            found=", ".join(
                key for key, value in made_by.items() if store.facts["made_by"].get(key) != value
            ),
            fix="Use another folder, or remove it.",
        )
    return store


def check_labs(store: RaggedStore) -> None:
    """Refuse prepared stays without a single laboratory value: their codes were most likely not understood.

    Raises:
        SettingsError: There is none; says how many rows the predicates do not know (``E_DATASET``).
    """
    if store.facts.get("has_labs", True):
        return
    rows = store.facts["rows"]
    raise SettingsError(
        Code.E_DATASET,
        "No record holds a laboratory value",
        found=f"the predicates {store.facts['made_by']['predicates']!r} do not know the codes of "
        f"{rows['unknown_codes']} of {rows['read']} rows",
        fix="Name the predicates of these records with --predicates, and a new output folder.",
    )


def _items(
    recipe: KidneyRecipe,
    records: Path,
    meanings: Predicates,
    facts: dict[str, Any],
    progress: Progress | None,
) -> Iterator[tuple[dict[str, Any], Mapping[str, npt.NDArray[Any]]]]:
    """Yield each stay; the facts are filled on the way."""
    vocabulary: dict[str, int] = {}
    done = Counter(patients=0, refused=0, stays=0, without_steps=0)
    rows = Counter(read=0, unknown_codes=0)
    has_labs = False
    for raw in open_records(records):
        done["patients"] += 1
        try:
            known = harmonise(raw, meanings)
        except RefusedError:
            done["refused"] += 1
            continue
        rows.update(read=known.counts.rows, unknown_codes=known.counts.unknown_codes.total())
        has_labs = has_labs or not known.counts.without_labs
        record = known.record
        if recipe.inputs.codes:
            record = with_codes(record, raw)
            for code in sorted(code for code in set(record.codes.tolist()) if code.startswith(CODE_PREFIXES)):
                vocabulary.setdefault(code, len(vocabulary))
        for stay in hospital_stays(record):
            arrays = _stay_arrays(recipe, record, stay, known, vocabulary)
            done["stays" if arrays else "without_steps"] += 1
            if arrays:
                yield _facts_of(record, stay, arrays), arrays
        if progress is not None:
            progress("read", done["patients"], 0)
    facts.update(
        counts=dict(done),
        rows=dict(rows),
        has_labs=has_labs,
        vocabulary=list(vocabulary),
        variables=list(MEASURED),
    )


def _facts_of(record: PatientRecord, stay: HospitalStay, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "patient": record.patient_id,
        "stay": stay.id,
        "start_h": stay.admission_h,
        "has_event": bool((arrays["risks"] == 1).any()),
        "sex": record.statics.get(SEX),
        "age": float(age) if np.isfinite(age := arrays["statics"][STATICS.index("age")]) else None,
        "unit": record.statics.get(UNIT),
    }


def _stay_arrays(
    recipe: KidneyRecipe,
    record: PatientRecord,
    stay: HospitalStay,
    known: Harmonised,
    vocabulary: Mapping[str, int],
) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a stay; empty where it is shorter than a step."""
    is_labelled = isinstance(recipe.task, Yaib6)
    ends = _labels(known).time_h if is_labelled else recipe.task.steps.ends_of(stay)
    if not len(ends):
        return {}
    truth = _truth(recipe, record, stay, known, ends)
    steps = bucket_record(record, ends, start_h=stay.admission_h, vocabulary=vocabulary)
    return {
        "end_h": ends,
        **{name: getattr(steps, name) for name in _FLOAT_ARRAYS},
        "counts": steps.counts,
        "codes": steps.codes.astype(np.int32),
        "code_counts": steps.code_counts.astype(np.int32),
        "statics": static_numbers(record, stay),
        "risks": truth.risks.astype(np.float32),
        "lab_maxima": truth.lab_maxima.astype(np.float32),
        "onset_h": truth.next_onset_h(ends),
    }


def _truth(
    recipe: KidneyRecipe,
    record: PatientRecord,
    stay: HospitalStay,
    known: Harmonised,
    ends: npt.NDArray[np.float64],
) -> KidneyTruth:
    task = recipe.task
    if isinstance(task, Yaib6):
        return label_yaib(
            record, stay, _labels(known), drop_after_onset=task.drop_after_onset, labs=recipe.labs
        )
    rule = LabelRule(
        baseline=task.baseline, fallback=task.fallback, min_stage=task.min_stage, urine=task.urine
    ).over(task.horizons_h, tuple(recipe.labs))
    return label_kidney(record, stay, ends, rule)


def _labels(known: Harmonised) -> Labels:
    if known.labels is None:
        raise NoInputError(
            Code.E_NO_INPUT,
            "The task takes the labels of the records",
            found="records without labels",
            fix="Put outc.parquet beside the tables, or choose the task aki48.",
        )
    return known.labels


def stored_steps(store: RaggedStore, number: int, start: int = 0, stop: int | None = None) -> StaySteps:
    """Return the steps of a stay as they were prepared.

    Args:
        store: Prepared stays.
        number: Of the stay.
        start: First step.
        stop: After the last step; None for the end of the stay.
    """
    here = slice(start, stop)
    code_counts = store.read(number, "code_counts")
    first, after = code_counts[:start].sum(), code_counts[:stop].sum()
    return StaySteps(
        end_h=store.read(number, "end_h")[here],
        **{name: store.read(number, name)[here] for name in _FLOAT_ARRAYS},
        counts=store.read(number, "counts")[here],
        codes=store.read(number, "codes")[first:after].astype(np.int64),
        code_counts=code_counts[here].astype(np.int64),
    )
