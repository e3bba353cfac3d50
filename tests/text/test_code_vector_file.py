"""The file of vectors: back as they were, and what is no such file."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.text.code_vector_file import FORMAT, read_code_vectors, write_code_vectors
from medpipe.text.code_vectors import CodeVectors, Method, VectorOrigin, VectorSettings

ORIGIN = VectorOrigin(
    settings=VectorSettings(method=Method.CBOW, dimension=3, bands=5),
    patients=7,
    patients_digest="cd",
    sentences=12,
    borders={"lactate": (1.0, 2.5)},
)
VECTORS = CodeVectors(("a", "drug//é"), np.arange(6, dtype=np.float32).reshape(2, 3), ORIGIN)


def test_vectors_come_back_as_they_were_written(tmp_path: Path) -> None:
    write_code_vectors(tmp_path / "v.safetensors", VECTORS)
    found = read_code_vectors(tmp_path / "v.safetensors")
    assert (found.codes, found.made_by) == (VECTORS.codes, ORIGIN)
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, VECTORS.vectors)


def test_the_same_vectors_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_code_vectors(tmp_path / name, VECTORS)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def about(**changes: object) -> dict[str, str]:
    content = {"format": FORMAT, "codes": ["a", "b"], "made_by": ORIGIN.model_dump(mode="json"), **changes}
    return {"medpipe": json.dumps(content)}


@pytest.mark.parametrize(
    ("metadata", "tensor", "message"),
    [
        (None, "vectors", "without 'medpipe'"),
        (about(format="medpipe code vectors 9"), "vectors", "code vectors 9"),
        (about(codes=["a"]), "vectors", "different codes"),
        (about(made_by={}), "vectors", "no vectors of codes"),
        (about(), "weights", "no safetensors"),
    ],
)
def test_safetensors_of_something_else_are_refused(
    tmp_path: Path, metadata: dict[str, str] | None, tensor: str, message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file({tensor: VECTORS.vectors}, path, metadata=metadata)
    with pytest.raises(SettingsError, match=message) as caught:
        read_code_vectors(path)
    assert caught.value.code is Code.E_SETTINGS


def test_a_file_of_another_format_or_cut_short_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "vectors.txt"
    text.write_text("2 3\na 0 1 2\nb 3 4 5\n")
    whole = tmp_path / "whole"
    write_code_vectors(whole, VECTORS)
    cut = tmp_path / "cut"
    cut.write_bytes(whole.read_bytes()[:-1])
    for path in (text, cut):
        with pytest.raises(SettingsError, match="no safetensors file"):
            read_code_vectors(path)


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="medpipe embed codes"):
        read_code_vectors(tmp_path / "none.safetensors")
