"""Vectors of the simulated ward: what goes together there lies together."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.stay_splits import PatientSplit, write_patient_split
from medpipe.simulate.ward.writing import MEDS_FOLDER, write_ward
from medpipe.text.code_vector_file import read_code_vectors
from medpipe.text.code_vectors import CodeVectors, Method, VectorSettings
from medpipe.text.word2vec import digest_of
from medpipe.training.codes.embedding import embed_codes

SETTINGS = VectorSettings(dimension=16, epochs=15)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ward")
    write_ward(folder, range(250))
    return folder / MEDS_FOLDER


@pytest.mark.slow
@pytest.mark.parametrize("method", list(Method))
def test_drugs_lie_nearer_to_what_they_are_given_for_than_to_what_they_are_not(
    ward: Path, tmp_path: Path, method: Method
) -> None:
    output = tmp_path / "new" / "v.safetensors"
    settings = SETTINGS.model_copy(update={"method": method})
    made = embed_codes(ward, output, settings, predicates="ward")
    assert [path.name for path in output.parent.iterdir()] == [output.name]
    assert read_code_vectors(output).codes == made.codes
    for code, together, apart in (
        ("drug//cefazolin", "procedure//cardiac_surgery", "diagnosis//infection"),
        ("drug//noradrenaline", "drug//crystalloid", "drug//insulin"),
        ("drug//vancomycin", "diagnosis//infection", "procedure//cardiac_surgery"),
        ("drug//crystalloid", "systolic_pressure//low", "systolic_pressure//high"),
    ):
        assert similarity(made, code, together) > similarity(made, code, apart) + 0.1


def similarity(vectors: CodeVectors, one: str, other: str) -> float:
    (found,) = [item for item in vectors.nearest(one, len(vectors.codes)) if item.code == other]
    return found.similarity


def split_of(path: Path, train: tuple[str, ...]) -> Path:
    write_patient_split(
        path, PatientSplit(seed=0, train=train, validation=("v",), calibration=("c",), test=("t",))
    )
    return path


@pytest.mark.slow
def test_only_patients_of_the_training_part_are_learned_from(ward: Path, tmp_path: Path) -> None:
    train = tuple(str(seed) for seed in range(0, 60, 2))
    split = split_of(tmp_path / "patients.json", train)
    settings = SETTINGS.model_copy(update={"epochs": 2})
    made = embed_codes(ward, tmp_path / "some", settings, predicates="ward", split=split)
    assert made.made_by.patients_digest == digest_of(train)
    write_ward(tmp_path / "alone", range(0, 60, 2))
    alone = embed_codes(tmp_path / "alone" / MEDS_FOLDER, tmp_path / "v", settings, predicates="ward")
    np.testing.assert_array_equal(made.vectors, alone.vectors)
    assert made.made_by == alone.made_by


def write_events(path: Path) -> Path:
    rows = [
        f"{patient},{hour},{code},1.{hour},{unit}"
        for patient in "abc"
        for hour in (0, 3, 9, 14)
        for code, unit in (("lactate", "mmol/L"), ("potassium", "mmol/L"))
    ]
    path.write_text("patient,time,code,value,unit\n" + "\n".join(rows) + "\n")
    return path


def test_a_split_of_other_patients_or_none_is_refused(tmp_path: Path) -> None:
    records = write_events(tmp_path / "events.csv")
    split = split_of(tmp_path / "patients.json", ("x", "y"))
    with pytest.raises(NoInputError, match="2 patients in the split, 3 stays of others"):
        embed_codes(records, tmp_path / "v", SETTINGS, split=split)
    split.write_text("{}")
    with pytest.raises(SettingsError, match="no split of patients"):
        embed_codes(records, tmp_path / "v", SETTINGS, split=split)
    assert not (tmp_path / "v").exists()


def test_hours_decide_on_the_number_of_sentences(tmp_path: Path) -> None:
    records = write_events(tmp_path / "events.csv")
    numbers = [
        embed_codes(records, tmp_path / "v", SETTINGS, hours=hours).made_by.sentences for hours in (7.0, 2.0)
    ]
    # Entries at 0, 3, 9 and 14 h: the last step of 7 h ends at 14, those of 2 h hold one entry each.
    assert numbers == [3 * 2, 3 * 4]
