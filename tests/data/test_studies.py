"""Studies and sets of them: what they refuse, and how they are split."""

from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.splits import SplitRule, split_cases
from medpipe.data.studies import StudyCase, StudySet, wanted_names


def study(case_id: str, source: str = "", **answers: object) -> StudyCase:
    return StudyCase(case_id, Path(source or f"/{case_id}"), **{"labels": {"any": 0.0}, **answers})


def test_cases_are_sorted_and_selected_by_id() -> None:
    studies = StudySet("set", (study("b"), study("a")), labels=("any",))
    assert [case.id for case in studies.cases] == ["a", "b"]
    assert [case.id for case in studies.select(["b"])] == ["b"]
    with pytest.raises(SettingsError, match="The data set set has no case 'c'"):
        studies.select(["c"])


def test_roots_are_the_source_or_the_files_in_it() -> None:
    assert study("a").roots == (Path("/a"),)
    assert study("a", files=("1.dcm", "2.dcm")).roots == (Path("/a/1.dcm"), Path("/a/2.dcm"))


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"labels": {"any": 2.0}}, "Case a: the label 'any' lies between 0 .no. and 1 .yes.: found 2.0"),
        ({"labels": {"any": float("nan")}}, "found nan"),
        ({"slice_labels": {"3": {"any": -1.0}}}, "Case a, slice 3: the label 'any'.*found -1.0"),
        ({"scores": {"shift_mm": float("inf")}}, "the score 'shift_mm' is no finite number: found inf"),
    ],
)
def test_answers_out_of_range_are_refused(answers: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        study("a", **answers)


@pytest.mark.parametrize(
    ("cases", "names", "words"),
    [
        ((study("a"), study("a")), {}, "Case ids must differ in the data set set: found a more than once"),
        ((study("a", "/x"), study("b", "/x")), {}, "Cases a and b share an image but no patient: found x"),
        (
            (study("a", labels={"nay": 1.0, "any": 0.0}),),
            {},
            "Case a has a label .*found 'nay'. Did you mean",
        ),
        ((study("a", slice_labels={"0": {"ayn": 1.0}}),), {}, "Case a has a label .*found 'ayn'"),
        ((study("a", scores={"mm": 1.0}),), {}, "Case a has a score .*found 'mm'"),
        ((study("a"),), {"labels": ("any", "sah")}, "No case of set has an answer to the label 'sah'"),
        ((study("a"),), {"scores": ("mm",)}, "No case of set has an answer to the score 'mm'"),
        ((study("a"),), {"scores": ("any",)}, "Labels and scores need different names: found 'any' twice"),
    ],
)
def test_sets_that_do_not_fit_are_refused(cases: tuple, names: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        StudySet("set", cases, **{"labels": ("any",), **names})


def test_empty_set_is_refused() -> None:
    with pytest.raises(NoInputError, match="The data set set is empty"):
        StudySet("set", (), labels=("any",))


def test_files_of_one_folder_are_different_images() -> None:
    cases = (study("a", "/x", files=("1.dcm",)), study("b", "/x", files=("2.dcm",)))
    assert len(StudySet("set", cases, labels=("any",)).cases) == 2


def test_split_keeps_the_studies_of_a_patient_together_and_spreads_a_label() -> None:
    # 10 of 20 patients bleed, each in two studies: either half gets 5 of them, 10 studies.
    cases = tuple(
        study(f"s{number}-{visit}", patient=f"p{number}", labels={"any": float(number % 2 == 0)})
        for number in range(20)
        for visit in range(2)
    )
    studies = StudySet("set", cases, labels=("any",))
    file = split_cases(studies, validation=0.5, seed=1, stratify_by="any")
    assert file.rule is SplitRule.BY_PATIENT
    parts = file.splits[0].parts()
    patients = {
        part: {case.patient for case in studies.select(parts[part])} for part in ("train", "validation")
    }
    assert not patients["train"] & patients["validation"]
    for part in ("train", "validation"):
        assert sum(case.labels["any"] for case in studies.select(parts[part])) == 10.0


def test_wanted_names_are_all_or_those_that_are_asked_for() -> None:
    assert wanted_names(None, ("a", "b"), data_set="X") == {"a": "a", "b": "b"}
    assert wanted_names({"b": "bleed"}, ("a", "b"), data_set="X") == {"b": "bleed"}
    with pytest.raises(SettingsError, match=r"X has no answer 'c'. Choose one of: a, b"):
        wanted_names({"c": "c"}, ("a", "b"), data_set="X")
