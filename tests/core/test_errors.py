"""Errors: three parts, a stable code, and a journey between processes without loss."""

import pickle

import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import (
    MachineError,
    MedpipeError,
    NoInputError,
    RefusedError,
    SettingsError,
    ShapeError,
    StageError,
)

BUILT_IN = {
    RefusedError: ValueError,
    StageError: RuntimeError,
    SettingsError: ValueError,
    NoInputError: FileNotFoundError,
    MachineError: OSError,
}


def make(kind: type[MedpipeError]) -> MedpipeError:
    """Return an error with all three parts."""
    return kind(Code.E_GAP, "A slice is missing", found="5 mm", fix="Fetch the series again.")


@pytest.mark.parametrize("kind", BUILT_IN)
def test_message_has_three_parts(kind: type[MedpipeError]) -> None:
    assert str(make(kind)) == "A slice is missing: found 5 mm. Fetch the series again."


@pytest.mark.parametrize(
    ("found", "fix", "text"),
    [("", "", "It is wrong."), ("7", "", "It is wrong: found 7."), ("", "Do so.", "It is wrong. Do so.")],
)
def test_parts_that_are_empty_leave_no_trace(found: str, fix: str, text: str) -> None:
    assert str(RefusedError(Code.E_GAP, "It is wrong", found=found, fix=fix)) == text


@pytest.mark.parametrize(("kind", "built_in"), BUILT_IN.items())
def test_each_error_is_also_a_built_in_one(kind: type[MedpipeError], built_in: type[Exception]) -> None:
    with pytest.raises(built_in):
        raise make(kind)


@pytest.mark.parametrize(
    "error", [*map(make, BUILT_IN), ShapeError("No boxes", found="shape (2,)", fix="Turn.")]
)
def test_pickle_keeps_all_parts(error: MedpipeError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (copy.code, copy.what, copy.found, copy.fix) == (error.code, error.what, error.found, error.fix)
    assert str(copy) == str(error)
