"""Answers as arrays: labels find their slices, or are refused."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.errors import SettingsError
from medpipe.data.studies import StudyCase
from medpipe.data.study_targets import targets_of
from medpipe.io.dicom.uids import safe_uid

NAN = np.nan
KEYS = ("1.2.3|0", f"{safe_uid('ID_0a1b2c')}|1", "1.2.5|2")


def case(case_id: str = "s1", **answers: object) -> StudyCase:
    return StudyCase(case_id, Path(f"/{case_id}"), **answers)


def test_answers_stand_where_their_names_and_slices_are() -> None:
    study = case(
        labels={"sah": 1.0, "other": 1.0},
        scores={"mm": 4.0},
        slice_labels={"1.2.5": {"sah": 1.0, "other": 0.0}, "0": {"any": 0.5}, "ID_0a1b2c": {"any": 0.0}},
    )
    (found,) = targets_of([study], {"s1": KEYS}, labels=("any", "sah"), scores=("age", "mm"))
    np.testing.assert_array_equal(found.study_labels, np.float32([NAN, 1]))
    np.testing.assert_array_equal(found.slice_labels, np.float32([[0.5, NAN], [0, NAN], [NAN, 1]]))
    np.testing.assert_array_equal(found.scores, np.float32([NAN, 4]))


@pytest.mark.parametrize("key", ["3", "-1", "1.2.4", "ID_0a1b2d"])
def test_labels_for_slices_that_do_not_exist_are_refused(key: str) -> None:
    study = case("s2", slice_labels={key: {"any": 1.0}})
    words = (
        f"Case s2: labels for slices that do not exist: found slice '{key}' among 3 slices from '1.2.3' to "
        r"'1.2.5' \(1 of 2 cases at fault: s2\). Name slices by SOPInstanceUID, or by number"
    )
    with pytest.raises(SettingsError, match=words):
        targets_of([case("s1"), study], {"s1": KEYS, "s2": KEYS}, labels=("any",))


def test_one_message_tells_of_all_cases_at_fault() -> None:
    cases = [case(f"s{number}", slice_labels={"9": {"any": 1.0}}) for number in range(3)]
    with pytest.raises(SettingsError, match=r"^Case s0.*3 of 3 cases at fault: s0, s1, s2"):
        targets_of(cases, dict.fromkeys(("s0", "s1", "s2"), KEYS), labels=("any",))


def test_a_slab_has_what_any_of_its_slices_has() -> None:
    study = case(slice_labels={"1.2.3": {"any": 0.0}, "1": {"any": 1.0}, "3": {"any": 0.0}})
    keys = ("1.2.3|0|1.2.4|1", "1.2.5|2|1.2.6|3")
    (found,) = targets_of([study], {"s1": keys}, labels=("any", "sah"))
    np.testing.assert_array_equal(found.slice_labels, np.float32([[1, NAN], [0, NAN]]))
