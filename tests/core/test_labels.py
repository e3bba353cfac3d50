"""Labels of label maps."""

import pytest
from pydantic import TypeAdapter, ValidationError

from medpipe.core.findings import CodedConcept
from medpipe.core.labels import Labels, LabelSpec

CODE = CodedConcept(scheme="SCT", value="5366008", meaning="Hippocampus")
LABELS = TypeAdapter(Labels)


def label(value: int, name: str) -> LabelSpec:
    return LabelSpec(value=value, name=name, code=CODE)


def test_consecutive_labels_are_taken() -> None:
    labels = (label(1, "anterior"), label(2, "posterior"))
    assert LABELS.validate_python(labels) == labels


@pytest.mark.parametrize("values", [(2, 1), (1, 3), (2,), (1, 1)])
def test_values_that_are_no_channels_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match=rf"found \[{values[0]}"):
        LABELS.validate_python(tuple(label(value, f"name{place}") for place, value in enumerate(values)))


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="names must differ"):
        LABELS.validate_python((label(1, "same"), label(2, "same")))


@pytest.mark.parametrize("value", [0, 256])
def test_background_and_what_uint8_cannot_hold_are_refused(value: int) -> None:
    with pytest.raises(ValidationError, match="value"):
        label(value, "anterior")


@pytest.mark.parametrize("name", ["", "../up", "Left side", "1st"])
def test_name_must_be_fit_for_a_file(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        label(1, name)
