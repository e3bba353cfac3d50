"""Four parts of the patients: nobody in two, everybody in one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.data.stay_splits import (
    PARTS,
    SplitShares,
    read_patient_split,
    split_as_recorded,
    split_patients,
    write_patient_split,
)

SHARES = SplitShares(validation=0.1, calibration=0.1, test=0.2)
OUTCOMES = {f"p{number}": number % 5 == 0 for number in range(100)}


@given(st.dictionaries(st.text(min_size=1), st.booleans(), min_size=12), st.integers(0, 9))
def test_every_patient_is_in_one_part(outcomes: dict[str, bool], seed: int) -> None:
    split = split_patients(outcomes, SHARES, seed=seed)
    named = [patient for part in PARTS for patient in getattr(split, part)]
    assert sorted(named) == sorted(outcomes)
    assert split.part_of().keys() == outcomes.keys()


def test_patients_with_the_outcome_are_spread_evenly() -> None:
    split = split_patients(OUTCOMES, SHARES, seed=0)
    # Of 20 with the outcome: 2, 2 and 4; of 80 without: 8, 8 and 16.
    for part, ill, size in (
        ("validation", 2, 10),
        ("calibration", 2, 10),
        ("test", 4, 20),
        ("train", 12, 60),
    ):
        patients = getattr(split, part)
        assert (sum(OUTCOMES[patient] for patient in patients), len(patients)) == (ill, size)


def test_order_of_patients_does_not_matter_and_the_seed_does() -> None:
    backwards = dict(reversed(OUTCOMES.items()))
    assert split_patients(backwards, SHARES, seed=1) == split_patients(OUTCOMES, SHARES, seed=1)
    assert split_patients(OUTCOMES, SHARES, seed=2).test != split_patients(OUTCOMES, SHARES, seed=1).test


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(SettingsError, match="train 0") as caught:
        split_patients({"a": True, "b": True, "c": True}, SHARES, seed=0)
    assert caught.value.code is Code.E_SPLIT


def test_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    split = split_patients(OUTCOMES, SHARES, seed=0)
    write_patient_split(tmp_path / "patients.json", split)
    assert read_patient_split(tmp_path / "patients.json", list(OUTCOMES)) == split


def test_split_of_other_patients_or_with_one_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "patients.json"
    split = split_patients(OUTCOMES, SHARES, seed=0)
    write_patient_split(path, split)
    with pytest.raises(SettingsError, match="101 in the data"):
        read_patient_split(path, [*OUTCOMES, "new"])
    write_patient_split(path, split.model_copy(update={"test": (*split.test, split.train[0])}))
    with pytest.raises(SettingsError, match="101 named, 100 different"):
        read_patient_split(path, list(OUTCOMES))


def recorded(patient: str) -> str:
    """Return 70 % train, 10 % tuning, 20 % held_out."""
    place = int(patient[1:]) % 10
    return "train" if place < 7 else "tuning" if place == 7 else "held_out"


def test_split_of_the_records_is_kept_and_calibration_comes_from_train() -> None:
    outcomes = {f"p{number}": number % 3 == 0 for number in range(200)}
    splits = {patient: recorded(patient) for patient in [*outcomes, "p9999"]}
    split = split_as_recorded(outcomes, splits, SHARES, seed=0)
    assert split.source == "records"
    assert "of the records" in split.words
    assert {recorded(patient) for patient in split.test} == {"held_out"}
    assert {recorded(patient) for patient in split.validation} == {"tuning"}
    assert {recorded(patient) for patient in (*split.calibration, *split.train)} == {"train"}
    assert split.part_of().keys() == outcomes.keys()
    assert len(split.calibration) == 20  # a tenth of all, though drawn from seven tenths
    assert sum(outcomes[patient] for patient in split.calibration) == 7  # a tenth of 67
    assert split_as_recorded(outcomes, splits, SHARES, seed=1).calibration != split.calibration


def test_validation_is_drawn_where_the_records_have_no_tuning() -> None:
    splits = {patient: recorded(patient).replace("tuning", "train") for patient in OUTCOMES}
    split = split_as_recorded(OUTCOMES, splits, SHARES, seed=0)
    assert len(split.validation) == len(split.calibration) == 10
    assert not set(split.validation) & set(split.calibration)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({patient: recorded(patient) for patient in list(OUTCOMES)[1:]}, "nothing"),
        ({**{patient: recorded(patient) for patient in OUTCOMES}, "p3": "dev"}, "'dev'"),
        ({patient: recorded(patient).replace("held_out", "train") for patient in OUTCOMES}, "test 0"),
    ],
)
def test_split_of_the_records_that_is_not_whole_is_refused(splits: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        split_as_recorded(OUTCOMES, splits, SHARES, seed=0)
    assert caught.value.code is Code.E_SPLIT
