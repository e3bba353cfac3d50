"""Vectors of codes as a file: safetensors, which holds numbers and names and nothing that runs."""

import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError, ShapeError
from medpipe.io.atomic import write_bytes
from medpipe.text.code_vectors import CodeVectors, VectorOrigin

FORMAT: Final = "medpipe code vectors 1"
_TENSOR: Final = "vectors"


def write_code_vectors(path: Path, vectors: CodeVectors) -> None:
    """Write vectors, their codes and what they were learned from; the same vectors give the same bytes.

    Raises:
        MachineError: As :func:`medpipe.io.atomic.atomic_write`.
    """
    about = {
        "format": FORMAT,
        "codes": list(vectors.codes),
        "made_by": vectors.made_by.model_dump(mode="json"),
    }
    # One entry: safetensors writes several in an order that changes from process to process.
    metadata = {"medpipe": json.dumps(about, ensure_ascii=False)}
    write_bytes(path, save({_TENSOR: vectors.vectors}, metadata=metadata))


def read_code_vectors(path: Path) -> CodeVectors:
    """Read what :func:`write_code_vectors` wrote.

    Raises:
        NoInputError: There is no such file (``E_NO_INPUT``).
        SettingsError: It is of another format, or damaged.
    """
    if not path.is_file():
        raise NoInputError(
            Code.E_NO_INPUT,
            f"There are no vectors of codes at {path}",
            found="a folder" if path.is_dir() else "nothing",
            fix="Make them: medpipe embed codes RECORDS -o FILE.",
        )
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {})["medpipe"])
            if about["format"] != FORMAT:
                raise ValueError(f"the format {about['format']!r}")
            return CodeVectors(
                tuple(about["codes"]),
                file.get_tensor(_TENSOR),
                VectorOrigin.model_validate(about["made_by"]),
            )
    except (SafetensorError, ValidationError, ShapeError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            Code.E_SETTINGS,
            f"{path.name} holds no vectors of codes",
            found=_reason(error),
            fix="Make them: medpipe embed codes RECORDS -o FILE.",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, SafetensorError):
        return "no safetensors file"
    if isinstance(error, KeyError):
        return f"safetensors without {error.args[0]!r}"
    return str(error)[:100]
