"""Splits: no patient on two sides, the same for any order of cases, checked when read back."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import SettingsError
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.splits import SplitRule, k_folds, read_splits, split_cases, write_splits

Make = Callable[..., CaseSet]


def numbered(count: int) -> list[str]:
    return [f"c{index:03}" for index in range(count)]


def cases_of(patients: list[int]) -> CaseSet:
    return CaseSet(
        "toy",
        tuple(
            SegmentationCase(f"c{index:03}", {"image": Path(f"/{index}")}, patient=f"p{patient}")
            for index, patient in enumerate(patients)
        ),
    )


@given(
    patients=st.lists(st.integers(0, 12), min_size=12, max_size=40).filter(lambda p: len(set(p)) >= 6),
    seed=st.integers(0, 1000),
)
def test_no_patient_stands_in_two_parts_and_no_case_is_lost(patients: list[int], seed: int) -> None:
    case_set = cases_of(patients)
    owner = {case.id: case.patient for case in case_set.cases}
    for splits in (
        split_cases(case_set, validation=0.2, test=0.2, seed=seed),
        k_folds(case_set, num_folds=3, seed=seed),
    ):
        assert splits.rule is SplitRule.BY_PATIENT
        for split in splits.splits:
            parts = [{owner[case_id] for case_id in ids} for ids in split.parts().values()]
            assert sum(map(len, parts)) == len(set(patients))
            assert sorted(sum(split.parts().values(), ())) == sorted(owner)


def test_order_of_cases_changes_nothing(make_case_set: Make) -> None:
    ids = numbered(30)
    shuffled = random.Random(1).sample(ids, len(ids))
    groups = {case_id: "ab"[index % 2] for index, case_id in enumerate(ids)}
    one, two = (
        make_case_set(order, kind=[groups[case_id] for case_id in order]) for order in (ids, shuffled)
    )
    for part in (
        lambda case_set: split_cases(case_set, validation=0.2, seed=3, stratify_by="kind"),
        lambda case_set: k_folds(case_set, num_folds=4, seed=3),
    ):
        assert part(one) == part(two)


def test_seed_changes_the_split(make_case_set: Make) -> None:
    case_set = make_case_set(numbered(30))
    parts = {split_cases(case_set, validation=0.3, seed=seed).splits[0].validation for seed in range(5)}
    assert len(parts) == 5


def test_split_of_known_ids_never_changes(make_case_set: Make) -> None:
    # Guards files that others wrote: another Python or numpy must part the same ids the same way.
    split = split_cases(make_case_set(numbered(6)), validation=0.34, test=0.17, seed=0).splits[0]
    assert split.train == ("c001", "c002", "c005")
    assert split.validation == ("c003", "c004")
    assert split.test == ("c000",)


def test_shares_are_met(make_case_set: Make) -> None:
    split = split_cases(make_case_set(numbered(20)), validation=0.2, test=0.1, seed=0).splits[0]
    assert [len(ids) for ids in split.parts().values()] == [14, 4, 2]


def test_every_case_is_validated_in_one_fold_and_sizes_differ_by_one(make_case_set: Make) -> None:
    splits = k_folds(make_case_set(numbered(23)), num_folds=5, seed=0).splits
    validated = [case_id for split in splits for case_id in split.validation]
    assert sorted(validated) == numbered(23)
    assert sorted(len(split.validation) for split in splits) == [4, 4, 5, 5, 5]


def test_text_column_is_spread_evenly(make_case_set: Make) -> None:
    kinds = ["rare" if index < 10 else "common" for index in range(50)]
    case_set = make_case_set(numbered(50), kind=kinds)
    kind_of = dict(zip(numbered(50), kinds, strict=True))
    for split in k_folds(case_set, num_folds=5, seed=1, stratify_by="kind").splits:
        assert Counter(kind_of[case_id] for case_id in split.validation) == {"rare": 2, "common": 8}


def test_number_column_is_spread_evenly(make_case_set: Make) -> None:
    # Ages 0..39 in four folds: without strata means scatter by about 3.2; a fold takes one of each four.
    case_set = make_case_set(numbered(40), age=[float(index) for index in range(40)])
    for split in k_folds(case_set, num_folds=4, seed=5, stratify_by="age").splits:
        ages = [int(case_id[1:]) for case_id in split.validation]
        assert sum(ages) / len(ages) == pytest.approx(19.5, abs=2.0)


def test_cases_without_the_value_are_spread_too(make_case_set: Make) -> None:
    case_set = make_case_set(numbered(4), kind=["x", "x", "x", "x"])
    unknown = tuple(SegmentationCase(f"u{index}", {"image": Path(f"/u{index}")}) for index in range(4))
    splits = k_folds(CaseSet("toy", case_set.cases + unknown), num_folds=4, seed=0, stratify_by="kind").splits
    assert all({case_id[0] for case_id in split.validation} == {"c", "u"} for split in splits)


def test_rule_says_that_no_patient_is_known(make_case_set: Make) -> None:
    splits = split_cases(make_case_set(numbered(5)), validation=0.2, seed=0)
    assert splits.rule == "by case: no patient ids"


def test_patients_of_some_cases_alone_are_refused(make_case_set: Make) -> None:
    with pytest.raises(SettingsError, match=r"Some cases alone have a patient id.*found none for b"):
        split_cases(make_case_set(["a", "b", "c"], ["p", "", "q"]), validation=0.3, seed=0)


def test_unknown_column_names_the_nearest(make_case_set: Make) -> None:
    with pytest.raises(SettingsError, match=r"'knid' to stratify by. Did you mean 'kind'"):
        split_cases(make_case_set(["a", "b"], kind=["x", "y"]), validation=0.5, seed=0, stratify_by="knid")


@pytest.mark.parametrize(
    ("count", "shares", "found"),
    [
        (2, {"validation": 0.4, "test": 0.4}, "training set would be empty: found 2 to part"),
        (1, {"validation": 0.1}, "training set would be empty: found 1 to part"),
        (9, {"validation": 0.6, "test": 0.4}, "found validation 0.6, test 0.4"),
        (9, {"validation": -0.1}, "found validation -0.1"),
    ],
)
def test_bad_shares_are_refused(make_case_set: Make, count: int, shares: dict, found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        split_cases(make_case_set(numbered(count)), seed=0, **shares)


@pytest.mark.parametrize("num_folds", [0, 1, 4])
def test_bad_numbers_of_folds_are_refused(make_case_set: Make, num_folds: int) -> None:
    with pytest.raises(SettingsError, match=f"between 2 and 3: found {num_folds}"):
        k_folds(make_case_set(numbered(3)), num_folds=num_folds, seed=0)


class TestReadingBack:
    @pytest.fixture
    def case_set(self, make_case_set: Make) -> CaseSet:
        return make_case_set(["a", "b", "c", "d"], ["p1", "p1", "p2", "p3"])

    def edited(self, path: Path, case_set: CaseSet, **parts: list[str]) -> Path:
        write_splits(path, split_cases(case_set, validation=0.3, seed=0))
        content = json.loads(path.read_text())
        content["splits"] = [parts]
        path.write_text(json.dumps(content))
        return path

    def test_splits_come_back_as_written(self, case_set: CaseSet, tmp_path: Path) -> None:
        splits = k_folds(case_set, num_folds=3, seed=7)
        write_splits(tmp_path / "splits.json", splits)
        assert read_splits(tmp_path / "splits.json", case_set) == splits
        assert json.loads((tmp_path / "splits.json").read_text())["rule"] == "by patient"

    def test_patient_in_two_parts_is_named(self, case_set: CaseSet, tmp_path: Path) -> None:
        path = self.edited(tmp_path / "s.json", case_set, train=["a", "c"], validation=["b", "d"])
        found = "Patient p1 stands in two parts of the split: found case a in train, case b in validation"
        with pytest.raises(SettingsError, match=found):
            read_splits(path, case_set)

    def test_case_in_two_parts_is_named(self, make_case_set: Make, tmp_path: Path) -> None:
        case_set = make_case_set(["a", "b"])
        path = self.edited(tmp_path / "s.json", case_set, train=["a", "b"], test=["b"])
        with pytest.raises(
            SettingsError, match=r"Case b stands in two parts.*case b in train, case b in test"
        ):
            read_splits(path, case_set)

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ({"train": ["a", "b", "c", "d", "x"]}, "names cases that are not in the data set: found x"),
            ({"train": ["a", "b", "c"]}, "leaves out cases of the data set: found d"),
            ({"train": [], "test": ["a", "b", "c", "d"]}, "training set of the split is empty"),
            ({"train": ["a"], "tset": ["b"]}, r"splits\.0\.tset is not valid"),
        ],
    )
    def test_splits_that_do_not_fit_are_refused(
        self, case_set: CaseSet, tmp_path: Path, parts: dict, message: str
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            read_splits(self.edited(tmp_path / "s.json", case_set, **parts), case_set)

    def test_files_of_another_kind_are_refused(self, case_set: CaseSet, tmp_path: Path) -> None:
        (tmp_path / "s.json").write_text("not json")
        with pytest.raises(SettingsError, match=r"s\.json: its text is not valid"):
            read_splits(tmp_path / "s.json", case_set)
        with pytest.raises(SettingsError, match=r"none\.json cannot be read: found No such file"):
            read_splits(tmp_path / "none.json", case_set)
