"""Choice of input: one eligible series, the stated rule, or a refusal; never the largest in silence."""

import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.source import SourceKind
from medpipe.io.series import Form, Series, Study, Trait
from medpipe.runs.choice import choose_inputs
from medpipe.runs.pipeline import RoleRule

BROKEN = RefusedError(Code.E_GAP, "A slice is missing", found="5.00 mm")


def series(
    uid: str = "1",
    *,
    modality: str = "CT",
    form: Form = Form.VOLUME,
    slices: int = 20,
    traits: frozenset[Trait] = frozenset(),
    thickness: str = "",
    refusal: RefusedError | None = None,
) -> Series:
    return Series(
        uid=uid,
        kind=SourceKind.DICOM,
        files=(f"/scans/{uid}.dcm",),
        num_bytes=100,
        modality=modality,
        form=form,
        num_slices=slices,
        size=(64, 32),
        traits=traits,
        facts={"slice_thickness_mm": thickness} if thickness else {},
        refusal=refusal,
    )


def study(*found: Series, others: int = 0) -> Study:
    return Study(uid="1.2", series=found, paths=tuple(item.files[0] for item in found), others=others)


def rule(**fields: object) -> dict[str, RoleRule]:
    return {"image": RoleRule.model_validate(fields)}


def refusal_of(chosen_from: Study, rules: dict[str, RoleRule]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        choose_inputs(chosen_from, rules)
    return caught.value


LOCALIZER = series("0", slices=1, traits=frozenset({Trait.LOCALIZER}))


class TestOneEligible:
    def test_is_taken_in_silence(self) -> None:
        inputs, notes = choose_inputs(study(series()), rule(modality=["CT"]))
        assert inputs["image"].series.uid == "1"
        assert inputs["image"].forms == (Form.VOLUME,)
        assert inputs["image"].modality == ""
        assert notes == ()

    @pytest.mark.parametrize("trait", [Trait.LOCALIZER, Trait.DERIVED, Trait.SECONDARY])
    def test_others_are_set_aside_and_named(self, trait: Trait) -> None:
        other = series("2", slices=3, traits=frozenset({trait}))
        inputs, (note,) = choose_inputs(study(series(), other), rule())
        assert inputs["image"].series.uid == "1"
        assert note.code is Code.W_SET_ASIDE
        assert note.found == "CT of 3 x 64 x 32"

    def test_trait_that_the_rule_allows_is_eligible(self) -> None:
        derived = series(traits=frozenset({Trait.DERIVED}))
        assert refusal_of(study(derived), rule()).code is Code.E_NO_MATCH
        assert choose_inputs(study(derived), rule(allow=["derived"]))[0]["image"].series is derived

    def test_forms_keep_the_order_of_the_rule(self) -> None:
        inputs, _ = choose_inputs(study(series()), rule(form=["slices", "planar", "volume"]))
        assert inputs["image"].forms == (Form.SLICES, Form.VOLUME)

    def test_radiograph_is_no_volume(self) -> None:
        radiograph = series(modality="DX", form=Form.PLANAR, slices=1)
        assert refusal_of(study(radiograph), rule()).code is Code.E_NO_MATCH
        inputs, _ = choose_inputs(study(radiograph), rule(form=["volume", "planar"], min_slices=16))
        assert inputs["image"].forms == (Form.PLANAR,)

    def test_each_role_gets_its_own(self) -> None:
        rules = {"ct": RoleRule(modality=("CT",)), "mr": RoleRule(modality=("MR",))}
        inputs, notes = choose_inputs(study(series("1"), series("2", modality="MR")), rules)
        assert {role: chosen.series.uid for role, chosen in inputs.items()} == {"ct": "1", "mr": "2"}
        assert notes == ()


class TestSeveralEligible:
    THICK_FEW = series("a", slices=10, thickness="5")
    THIN_MANY = series("b", slices=40, thickness="1.25")

    def test_without_a_rule_is_ambiguous(self) -> None:
        error = refusal_of(study(self.THICK_FEW, self.THIN_MANY), rule())
        assert error.code is Code.E_AMBIGUOUS
        assert error.found == "CT of 10 x 64 x 32; CT of 40 x 64 x 32"
        assert "accepts.image" in error.fix

    @pytest.mark.parametrize(
        ("prefer", "uid"),
        [("most_slices", "b"), ("fewest_slices", "a"), ("thinnest", "b"), ("first_uid", "a")],
    )
    def test_preference_decides_and_says_what_it_left(self, prefer: str, uid: str) -> None:
        inputs, (note,) = choose_inputs(study(self.THIN_MANY, self.THICK_FEW), rule(prefer=prefer))
        assert inputs["image"].series.uid == uid
        assert note.code is Code.W_SET_ASIDE

    @pytest.mark.parametrize("prefer", ["most_slices", "fewest_slices", "thinnest"])
    def test_tie_after_the_preference_is_ambiguous(self, prefer: str) -> None:
        twins = study(series("1", thickness="2"), series("2", thickness="2.0"))
        error = refusal_of(twins, rule(prefer=prefer))
        assert error.code is Code.E_AMBIGUOUS
        assert error.fix.startswith(f"{prefer} cannot choose among them")

    @pytest.mark.parametrize("thickness", ["", "nan", "thin", "0", "-1", "inf"])
    def test_thickness_that_says_nothing_never_wins(self, thickness: str) -> None:
        silent = series("1", thickness=thickness)
        inputs, _ = choose_inputs(study(silent, self.THICK_FEW), rule(prefer="thinnest"))
        assert inputs["image"].series is self.THICK_FEW
        assert refusal_of(study(silent, silent), rule(prefer="thinnest")).code is Code.E_AMBIGUOUS


class TestModality:
    def test_wrong_one_is_refused(self) -> None:
        error = refusal_of(study(series(modality="PT")), rule(modality=["CT", "MR"]))
        assert error.code is Code.E_MODALITY
        assert "modality PT, not CT or MR" in error.found

    def test_unknown_one_is_assumed_and_flagged(self) -> None:
        inputs, (note,) = choose_inputs(study(series(modality="")), rule(modality=["CT"]))
        assert inputs["image"].modality == "CT"
        assert (note.code, note.found) == (Code.W_MODALITY, "CT")

    def test_unknown_one_among_several_is_flagged_and_left_open(self) -> None:
        inputs, (note,) = choose_inputs(study(series(modality="")), rule(modality=["CT", "MR"]))
        assert inputs["image"].modality == ""
        assert (note.code, note.found) == (Code.W_MODALITY, "CT or MR")

    def test_unknown_one_is_no_matter_where_any_will_do(self) -> None:
        assert choose_inputs(study(series(modality="")), rule())[1] == ()


class TestNoneEligible:
    def test_too_few_slices(self) -> None:
        error = refusal_of(study(series(slices=15)), rule(min_slices=16))
        assert error.code is Code.E_NO_MATCH
        assert error.found == "CT of 15 x 64 x 32: 15 slices, at least 16 needed"

    def test_too_many_slices(self) -> None:
        assert "at most 16 taken" in refusal_of(study(series()), rule(max_slices=16)).found

    def test_only_refused_series_give_their_own_refusal(self) -> None:
        broken = study(series(refusal=BROKEN), series("2", refusal=BROKEN))
        assert refusal_of(broken, rule(modality=["MR"])) is BROKEN

    def test_refused_series_that_would_suit_is_the_reason_beside_a_localizer(self) -> None:
        assert refusal_of(study(LOCALIZER, series(refusal=BROKEN)), rule(modality=["CT"])) is BROKEN

    def test_refused_series_that_would_not_suit_is_not_the_reason(self) -> None:
        error = refusal_of(study(LOCALIZER, series(modality="PT", refusal=BROKEN)), rule(modality=["CT"]))
        assert error.code is Code.E_NO_MATCH
        assert "localizer" in error.found

    def test_study_without_images(self) -> None:
        error = refusal_of(study(others=3), rule())
        assert error.code is Code.E_NO_MATCH
        assert error.found == "3 objects without pixels to process"
