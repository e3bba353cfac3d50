"""Refusals: all that a foreign model holds and medpipe does not take, in one error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

ReadT = TypeVar("ReadT")
ModelT = TypeVar("ModelT", bound=BaseModel)

_SHOWN: Final = 100
"""Characters of a foreign value that a message repeats."""


class RefusedItemError(Exception):
    """One item cannot be read on; it has been noted."""


class Refusals:
    """Items of a foreign model that medpipe does not take, each once, in the order they were met."""

    def __init__(self) -> None:
        self._items: dict[str, str] = {}

    def add(self, key: str, found: object, fix: str) -> None:
        """Note an item.

        Args:
            key: Where it stands, such as ``"network_def#strides"``.
            found: What stands there.
            fix: What to do, one sentence without a full stop.
        """
        text = found if isinstance(found, str) else repr(found)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        self._items.setdefault(key, f"{key}: {shown} ({fix})")

    def refuse(self, key: str, found: object, fix: str) -> NoReturn:
        """Note an item and leave the part that cannot be read without it.

        Raises:
            RefusedItemError: Always; :meth:`collecting` stops it.
        """
        self.add(key, found, fix)
        raise RefusedItemError(key)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Read a part; go on behind it where an item was refused."""
        try:
            yield
        except RefusedItemError:
            return

    def attempt(self, read: Callable[[], ReadT]) -> ReadT | None:
        """Return what is read, or None where an item was refused."""
        with self.collecting():
            return read()
        return None

    def validated(self, model: type[ModelT], data: object, place: str) -> ModelT:
        """Return data as a typed model; each value that does not fit is noted.

        Args:
            model: What is expected.
            data: What a file holds.
            place: Where it stands.

        Raises:
            RefusedItemError: Something is missing or of another type.
        """
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for problem in error.errors():
                key = "#".join(map(str, (place, *problem["loc"])))
                found = "nothing" if problem["type"] == "missing" else repr(problem["input"])
                self.add(key, found, problem["msg"])
            raise RefusedItemError(place) from error

    def raise_any(self, what: str) -> None:
        """Raise one error that names each item, if there are any.

        Args:
            what: What is wrong with the whole, one clause.

        Raises:
            SettingsError: An item was refused (``E_PACKAGE``).
        """
        if not self._items:
            return
        items = [f"({number}) {item}" for number, item in enumerate(self._items.values(), start=1)]
        raise SettingsError(
            Code.E_PACKAGE,
            what,
            found="; ".join(items),
            fix="Nothing of it was executed or added. Change its files as stated, if you trust the rest.",
        )
