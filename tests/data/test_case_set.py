"""Case sets: ids are unique and name files, channels agree, nobody shares an image unseen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.data.cases import CaseSet, SegmentationCase
from medpipe.data.members import listed

Make = Callable[..., CaseSet]


def case(case_id: str, **images: str) -> SegmentationCase:
    return SegmentationCase(case_id, {name: Path(path) for name, path in images.items()})


def test_cases_are_sorted_by_id(make_case_set: Make) -> None:
    assert [item.id for item in make_case_set(["b", "c", "a"]).cases] == ["a", "b", "c"]


def test_selection_is_sorted_and_without_copies(make_case_set: Make) -> None:
    assert [item.id for item in make_case_set(["a", "b", "c"]).select(["c", "a", "c"])] == ["a", "c"]


def test_selecting_an_unknown_id_names_it_and_what_there_is(make_case_set: Make) -> None:
    with pytest.raises(SettingsError, match=r"no case 'd'. Its ids are a, b\."):
        make_case_set(["a", "b"]).select(["a", "d"])


def test_empty_set_is_refused(make_case_set: Make) -> None:
    with pytest.raises(NoInputError, match="The data set toy is empty: found no case"):
        make_case_set([])


def test_ids_that_stand_twice_are_named(make_case_set: Make) -> None:
    with pytest.raises(SettingsError, match="found b more than once"):
        make_case_set(["a", "b", "b"])


@pytest.mark.parametrize("bad", ["", "../up", "a/b", "=1+1", "-x", ".hidden", "a b", "x" * 101, "a\n"])
def test_ids_that_cannot_name_files_are_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match="cannot name a file"):
        case(bad, image="/x.nii")


def test_case_without_image_is_refused() -> None:
    with pytest.raises(SettingsError, match="Case a has no image"):
        case("a")


def test_other_channels_are_refused() -> None:
    with pytest.raises(
        SettingsError, match="Case b has other channels than case a: found t1, t2, expected t1"
    ):
        CaseSet("toy", (case("a", t1="/a"), case("b", t1="/b", t2="/c")))


def test_one_image_under_two_ids_is_refused_without_a_patient() -> None:
    with pytest.raises(SettingsError, match=r"Cases a and b share an image but no patient: found x\.nii"):
        CaseSet("toy", (case("a", image="/x.nii"), case("b", image="/x.nii")))


def test_two_masks_of_one_image_are_accepted_within_a_patient() -> None:
    image = {"image": Path("/x.nii")}
    cases = (SegmentationCase("a", image, patient="p"), SegmentationCase("b", image, patient="p"))
    assert len(CaseSet("toy", cases).cases) == 2


def test_long_lists_are_cut() -> None:
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"
