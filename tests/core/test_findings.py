"""Findings: what is written is read back, what cannot be trusted is refused, what is new is kept."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medpipe.core.codes import Code
from medpipe.core.findings import (
    KINDS,
    NOT_FOR_DIAGNOSIS,
    Change,
    CodedConcept,
    FindingsRecord,
    Forecast,
    Label,
    Laterality,
    Lesion,
    Maker,
    Measurement,
    QualityFlag,
    Risk,
    Sentence,
    Structure,
    Uncertainty,
    Unknown,
    flag,
)

MAKER = Maker(name="test", version="1")
BODY = CodedConcept(scheme="SCT", value="123037004", meaning="Body structure")
COMMON: dict[str, Any] = {"code": BODY, "made_by": MAKER, "source": "image"}
ONE_OF_EACH = (
    Label(id="a", probability=0.75, threshold=0.5, slice_probabilities=(0.1, 0.9), **COMMON),
    Structure(id="b", mask="image_body", label=1, volume_ml=12.5, laterality=Laterality.LEFT, **COMMON),
    Measurement(
        id="c",
        name="MMSE",
        value=27.0,
        unit="1",
        uncertainty=Uncertainty(low=25, high=29, level=0.95, method="views"),
        **COMMON,
    ),
    Lesion(
        id="d", box=(0, 1, 2, 3, 4, 5), centre_mm=(-1.0, 2.0, 3.0), size_mm=(3, 3, 3), score=0.9, **COMMON
    ),
    Risk(id="e", at_h=36.0, horizon_h=48.0, probability=0.2, **COMMON),
    Forecast(id="f", lab="creatinine", at_h=36.0, horizon_h=48.0, value=88.0, unit="umol/L", **COMMON),
    Change(id="g", name="volume", prior_study="st-0", prior_value=10.0, value=12.5, unit="mL", **COMMON),
    QualityFlag(id="h", flag=Code.W_TILT, message="tilted", found="15 degrees", **COMMON),
    Sentence(id="i", section="findings", text="No bleed.", rests_on=("a",), **COMMON),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-10, 10) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def record_json(**changes: Any) -> str:
    """Return the JSON of a record with one finding, some fields changed."""
    finding = {"kind": "measurement", "id": "a", "code": BODY.model_dump(), "made_by": MAKER.model_dump()}
    finding |= {"name": "volume", "value": 1.5, "unit": "mL"} | changes
    return json.dumps({"study": "st-1", "findings": [finding]})


class TestRoundTrip:
    def test_one_of_each_kind_is_read_back_equal(self) -> None:
        record = FindingsRecord(study="st-1", findings=ONE_OF_EACH)
        assert FindingsRecord.model_validate_json(record.to_json()) == record
        assert {item.kind for item in record.findings} == KINDS

    def test_record_says_that_it_is_not_for_diagnosis(self) -> None:
        assert json.loads(FindingsRecord(study="st-1").to_json())["notice"] == NOT_FOR_DIAGNOSIS

    def test_equal_records_give_equal_bytes(self) -> None:
        text = FindingsRecord(study="st-1", findings=ONE_OF_EACH).to_json()
        assert FindingsRecord.model_validate_json(text).to_json() == text

    @given(extra=st.dictionaries(st.sampled_from(["grade", "volume", "note"]), JSON_VALUES))
    def test_unknown_kind_is_kept_whole(self, extra: dict[str, Any]) -> None:
        text = json.dumps({"study": "st-1", "findings": [{"kind": "constellation", "id": "x", **extra}]})
        record = FindingsRecord.model_validate_json(text)
        assert isinstance(record.findings[0], Unknown)
        assert json.loads(record.to_json())["findings"] == json.loads(text)["findings"]

    def test_unknown_kind_is_shown_as_text(self) -> None:
        finding = Unknown.model_validate(
            {"kind": "constellation", "id": "x", "grade": 2, "stars": ["a", "b"]}
        )
        assert finding.as_text() == "constellation: grade = 2, stars = ['a', 'b']"


class TestRefused:
    def test_two_findings_of_one_id(self) -> None:
        with pytest.raises(ValidationError, match="two findings share the id 'a'"):
            FindingsRecord(study="st-1", findings=(ONE_OF_EACH[0], ONE_OF_EACH[0]))

    @pytest.mark.parametrize("number", [math.nan, math.inf])
    def test_numbers_that_are_not_finite(self, number: float) -> None:
        with pytest.raises(ValidationError, match="finite number"):
            FindingsRecord.model_validate_json(record_json(value=number))

    def test_nan_inside_an_unknown_kind(self) -> None:
        with pytest.raises(ValidationError, match="finite number"):
            FindingsRecord.model_validate_json(record_json(kind="constellation", value=[math.nan]))

    @pytest.mark.parametrize("kind", [None, 3, ["label"]])
    def test_kind_that_is_no_word(self, kind: object) -> None:
        with pytest.raises(ValidationError, match="kind"):
            FindingsRecord.model_validate_json(record_json(kind=kind))

    def test_field_that_the_kind_does_not_have(self) -> None:
        with pytest.raises(ValidationError, match="Extra inputs"):
            FindingsRecord.model_validate_json(record_json(valuee=1.0))

    def test_probability_above_one(self) -> None:
        with pytest.raises(ValidationError, match="less than or equal to 1"):
            Label(id="a", probability=1.5, threshold=0.5, **COMMON)

    def test_schema_of_another_first_number(self) -> None:
        with pytest.raises(ValidationError, match=r"schema 2\.0; this medpipe reads schema 1\.0"):
            FindingsRecord(study="st-1", schema_version="2.0")

    def test_change_of_a_finding(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            ONE_OF_EACH[0].id = "other"  # type: ignore[misc]  # that is the test


def test_later_schema_of_the_same_first_number_is_read() -> None:
    assert FindingsRecord(study="st-1", schema_version="1.7").schema_version == "1.7"


@pytest.mark.parametrize(("probability", "is_positive"), [(0.49, False), (0.5, True), (0.51, True)])
def test_label_is_positive_from_its_threshold_on(probability: float, is_positive: bool) -> None:
    label = Label(id="a", probability=probability, threshold=0.5, **COMMON)
    assert label.is_positive is is_positive


@pytest.mark.parametrize(("curve", "index"), [((), None), ((0.3,), 0), ((0.1, 0.9, 0.2, 0.9), 1)])
def test_key_slice_is_the_first_of_the_highest(curve: tuple[float, ...], index: int | None) -> None:
    label = Label(id="a", probability=0.9, threshold=0.5, slice_probabilities=curve, **COMMON)
    assert label.key_slice == index
    assert "key_slice" not in label.model_dump_json()


def test_flag_is_coded_and_named_after_maker_source_and_code() -> None:
    made = flag(Code.W_TILT, "tilted", found="15 degrees", source="image", made_by=MAKER)
    assert made.id == "test/image/w_tilt"
    assert made.code == CodedConcept(scheme="99MEDPIPE", value="W_TILT", meaning=Code.W_TILT.meaning)
    assert FindingsRecord(study="st-1", findings=(ONE_OF_EACH[0], made)).flags == (made,)
