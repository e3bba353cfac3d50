"""A store of items whose arrays differ in length: one file an array, read from disk as it is asked for.

All arrays of one name have one type and, after the first axis, one shape. Writing holds one item in memory,
however many there are; reading the items asked for, and the facts of all once one of them is asked for.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError, ShapeError
from medpipe.io.atomic import atomic_folder, write_text

Arrays = Mapping[str, npt.NDArray[Any]]

INDEX, ITEMS, ENDS = "index.json", "items.jsonl", ".ends"
"""Facts of the store, facts of each item, and what follows the name of an array where each item ends."""

_END_TYPE: Final = np.dtype("<i8")


class _Column(BaseModel):
    """Type, and shape after the first axis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: tuple[int, ...]


class _Index(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["medpipe ragged store 2"] = "medpipe ragged store 2"
    facts: dict[str, Any]
    num_items: int
    columns: dict[str, _Column]


class _ColumnWriter:
    """Appends the arrays of one name.

    Args:
        folder: Of the store.
        name: Of the arrays.
        first: The first of them, whose kind all have.
    """

    def __init__(self, folder: Path, name: str, first: npt.NDArray[Any]) -> None:
        self.column = _Column(dtype=first.dtype.str, shape=first.shape[1:])
        self._name = name
        self._end = 0
        self._files = tuple((folder / f"{name}{suffix}").open("wb") for suffix in (".bin", ENDS))

    def append(self, array: npt.NDArray[Any]) -> None:
        """Write an array.

        Raises:
            ShapeError: It is of another kind.
        """
        if array.dtype.str != self.column.dtype or array.shape[1:] != self.column.shape:
            raise ShapeError(
                f"All arrays {self._name!r} are of one kind",
                found=f"{array.dtype.str} {array.shape[1:]} after {self.column.dtype} {self.column.shape}",
            )
        self._end += len(array)
        content, ends = self._files
        content.write(np.ascontiguousarray(array).tobytes())
        ends.write(np.array(self._end, dtype=_END_TYPE).tobytes())

    def close(self) -> None:
        for file in self._files:
            file.close()


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
        columns: dict[str, _ColumnWriter] = {}
        num_items = 0
        try:
            with (place / ITEMS).open("w", encoding="utf-8") as about:
                for said, arrays in items:
                    if not columns:
                        columns = {name: _ColumnWriter(place, name, array) for name, array in arrays.items()}
                    if arrays.keys() != columns.keys():
                        raise ShapeError("All items have the same arrays", found=", ".join(sorted(arrays)))
                    for name, array in arrays.items():
                        columns[name].append(array)
                    about.write(json.dumps(said) + "\n")
                    num_items += 1
        finally:
            for column in columns.values():
                column.close()
        if not num_items:
            raise NoInputError(Code.E_NO_INPUT, "There is nothing to prepare", found="no item")
        kinds = {name: column.column for name, column in columns.items()}
        index = _Index(facts=dict(facts), num_items=num_items, columns=kinds)
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
        return self._index.num_items

    @property
    def facts(self) -> Mapping[str, Any]:
        """Of the store as a whole."""
        return self._index.facts

    @cached_property
    def items(self) -> tuple[dict[str, Any], ...]:
        """Facts of each item.

        Raises:
            SettingsError: They are not whole (``E_DATASET``).
        """
        path = self._folder / ITEMS
        try:
            with path.open(encoding="utf-8") as lines:
                found = tuple(json.loads(line) for line in lines)
        except (OSError, ValueError) as error:
            raise self._cut_short(path) from error
        if len(found) != len(self):
            raise self._cut_short(path)
        return found

    def lengths(self, name: str) -> npt.NDArray[np.int64]:
        """Return ``(N,)`` the length of an array in each item."""
        return np.diff(self._ends[name])

    def read(self, number: int, name: str) -> npt.NDArray[Any]:
        """Return an array of an item, a view of the file that must not be written to."""
        ends = self._ends[name]
        return self._files[name][ends[number] : ends[number + 1]]

    @cached_property
    def _ends(self) -> dict[str, npt.NDArray[np.int64]]:
        found = {}
        for name in self._index.columns:
            path = self._folder / f"{name}{ENDS}"
            try:
                ends = np.fromfile(path, dtype=_END_TYPE)
            except OSError as error:
                raise self._cut_short(path) from error
            if len(ends) != len(self):
                raise self._cut_short(path)
            found[name] = np.append(0, ends)
        return found

    @cached_property
    def _files(self) -> dict[str, npt.NDArray[Any]]:
        return {name: self._mapped(name, column) for name, column in self._index.columns.items()}

    def _mapped(self, name: str, column: _Column) -> npt.NDArray[Any]:
        path, shape = self._folder / f"{name}.bin", (int(self._ends[name][-1]), *column.shape)
        if 0 in shape:
            return np.zeros(shape, dtype=column.dtype)
        try:
            # As a plain array: views of a memmap are slow to make.
            return np.asarray(np.memmap(path, dtype=column.dtype, mode="r", shape=shape))
        except (OSError, ValueError) as error:
            raise self._cut_short(path) from error

    def _cut_short(self, path: Path) -> SettingsError:
        return SettingsError(
            Code.E_DATASET,
            f"The prepared data {self._folder.name} are not whole",
            found=path.name,
            fix="Remove the folder: it is made again.",
        )
