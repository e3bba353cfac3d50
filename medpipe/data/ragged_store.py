"""A store of items whose arrays differ in length: one file an array, read from disk as it is asked for.

All arrays of one name have one type and, after the first axis, one shape. Writing holds one item in memory,
reading the items asked for.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError, ShapeError
from medpipe.io.atomic import atomic_folder, write_text

Arrays = Mapping[str, npt.NDArray[Any]]

INDEX: Final = "index.json"


class _Column(BaseModel):
    """Type, shape after the first axis, and where each item ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: tuple[int, ...]
    ends: tuple[int, ...]


class _Index(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = "medpipe ragged store 1"
    facts: dict[str, Any]
    items: tuple[dict[str, Any], ...]
    columns: dict[str, _Column]


def write_ragged(
    folder: Path, items: Iterable[tuple[dict[str, Any], Arrays]], *, facts: Mapping[str, Any]
) -> None:
    """Write a store, whole or not at all.

    Args:
        folder: Made, or replaced.
        items: Facts of each item, as JSON holds them, and its arrays; all with the same names.
        facts: Of the store as a whole; a mapping that ``items`` fills while it is read is written as it is
            then.

    Raises:
        NoInputError: There is no item (``E_NO_INPUT``).
        ShapeError: Items differ in names, types or shapes.
        MachineError: The disk is full or cannot be written.
    """
    with atomic_folder(folder) as place:
        about: list[dict[str, Any]] = []
        columns: dict[str, dict[str, Any]] = {}
        files: dict[str, BinaryIO] = {}
        try:
            for said, arrays in items:
                if not about:
                    files = {name: (place / f"{name}.bin").open("wb") for name in arrays}
                    columns = {name: {**_kind(array), "ends": [0]} for name, array in arrays.items()}
                _append(files, columns, arrays)
                about.append(said)
        finally:
            for file in files.values():
                file.close()
        if not about:
            raise NoInputError(Code.E_NO_INPUT, "There is nothing to prepare", found="no item")
        index = _Index.model_validate({"facts": dict(facts), "items": about, "columns": columns})
        write_text(place / INDEX, index.model_dump_json())


class RaggedStore:
    """A store that was written by :func:`write_ragged`.

    Args:
        folder: The store.

    Raises:
        SettingsError: It is no such store, or was cut short (``E_DATASET``).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._index = _Index.model_validate(json.loads((folder / INDEX).read_bytes()))
        except (OSError, ValueError, ValidationError) as error:
            raise SettingsError(
                Code.E_DATASET,
                f"The folder {folder.name} holds no prepared data",
                found=type(error).__name__,
                fix="Remove it: it is made again.",
            ) from error

    def __len__(self) -> int:
        return len(self.items)

    @property
    def facts(self) -> Mapping[str, Any]:
        """Of the store as a whole."""
        return self._index.facts

    @property
    def items(self) -> tuple[dict[str, Any], ...]:
        """Facts of each item."""
        return self._index.items

    def lengths(self, name: str) -> npt.NDArray[np.int64]:
        """Return ``(N,)`` the length of an array in each item."""
        return np.diff(self._index.columns[name].ends)

    def read(self, number: int, name: str) -> npt.NDArray[Any]:
        """Return an array of an item, a view of the file that must not be written to."""
        ends = self._index.columns[name].ends
        return self._files[name][ends[number] : ends[number + 1]]

    @cached_property
    def _files(self) -> dict[str, npt.NDArray[Any]]:
        return {name: self._mapped(name, column) for name, column in self._index.columns.items()}

    def _mapped(self, name: str, column: _Column) -> npt.NDArray[Any]:
        path, shape = self._folder / f"{name}.bin", (column.ends[-1], *column.shape)
        if 0 in shape:
            return np.zeros(shape, dtype=column.dtype)
        try:
            return np.memmap(path, dtype=column.dtype, mode="r", shape=shape)
        except (OSError, ValueError) as error:
            raise SettingsError(
                Code.E_DATASET,
                f"The prepared data {self._folder.name} are not whole",
                found=path.name,
                fix="Remove the folder: it is made again.",
            ) from error


def _kind(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"dtype": array.dtype.str, "shape": array.shape[1:]}


def _append(files: Mapping[str, BinaryIO], columns: Mapping[str, dict[str, Any]], arrays: Arrays) -> None:
    if arrays.keys() != columns.keys():
        raise ShapeError("All items have the same arrays", found=", ".join(sorted(arrays)))
    for name, array in arrays.items():
        column, kind = columns[name], _kind(array)
        if any(column[key] != kind[key] for key in kind):
            raise ShapeError(f"All arrays {name!r} are of one kind", found=f"{kind} after {column}"[:200])
        files[name].write(np.ascontiguousarray(array).tobytes())
        column["ends"].append(column["ends"][-1] + len(array))
