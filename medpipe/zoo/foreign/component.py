"""A component of a bundle: the class that it names and the arguments that it gives, read one by one."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from pydantic import TypeAdapter, ValidationError

from medpipe.zoo.foreign.bundle_config import BundleConfig
from medpipe.zoo.foreign.refusals import ReadT, Refusals, RefusedItemError

_REQUIRED: Final = object()
_TARGET, _DISABLED, _COMMENT = "_target_", "_disabled_", "_desc_"


class Component:
    """One mapping with a ``_target_``.

    Args:
        config: The configuration that it stands in.
        raw: The mapping, or a reference to one.
        place: Its id.
        package: Where its class must come from, such as ``"monai.transforms"``; a bare name means the same.

    Attributes:
        place: Its id.
        name: Name of the class without the package; a foreign class keeps its whole path.
        is_disabled: Whether MONAI leaves it out.

    Raises:
        RefusedItemError: It is no such mapping.
    """

    def __init__(
        self, config: BundleConfig, raw: Any, place: str, refusals: Refusals, *, package: str
    ) -> None:
        self.place = place
        self._config = config
        self._refusals = refusals
        if isinstance(raw, str):
            raw = config.value(raw, place)
        if not isinstance(raw, Mapping) or _TARGET not in raw:
            refusals.refuse(place, raw, "a mapping with a _target_ is expected")
        self._raw = dict(raw)
        self.name = str(config.value(self._raw.pop(_TARGET), f"{place}#{_TARGET}")).removeprefix(
            f"{package}."
        )
        self._raw.pop(_COMMENT, None)
        self.is_disabled: bool = self.take(_DISABLED, bool, default=False)

    def take(self, name: str, kind: Any, default: Any = _REQUIRED) -> Any:
        """Read an argument.

        Args:
            name: Its name.
            kind: Type that it must have.
            default: What MONAI takes where it is not given.

        Raises:
            RefusedItemError: It is missing, an expression or of another type.
        """
        key = f"{self.place}#{name}"
        if name not in self._raw:
            if default is _REQUIRED:
                self._refusals.refuse(key, "nothing", f"{self.name} needs it")
            return default
        value = self._config.value(self._raw.pop(name), key)
        try:
            return TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError as error:
            self._refusals.refuse(key, value, error.errors()[0]["msg"])

    def refuse(self, name: str, found: object, fix: str) -> NoReturn:
        """Note an argument and leave the component; see :meth:`Refusals.refuse`."""
        self._refusals.refuse(f"{self.place}#{name}", found, fix)

    def take_all(self) -> dict[str, Any]:
        """Read all arguments that are left, of any type; those that are refused are left out."""
        arguments = {}
        for name in list(self._raw):
            try:
                arguments[name] = self.take(name, Any)
            except RefusedItemError:
                continue
        return arguments

    def expect(self, name: str, default: Any, *allowed: Any, fix: str) -> None:
        """Refuse an argument of another value than those that medpipe can do.

        Args:
            name: Its name.
            default: What MONAI takes where it is not given.
            *allowed: Values that are taken.
            fix: What to do about another one.
        """
        with self._refusals.collecting():
            value = self.take(name, Any, default)
            if not any(
                value == item and isinstance(value, bool) is isinstance(item, bool) for item in allowed
            ):
                self._refusals.add(f"{self.place}#{name}", value, fix)

    def ignore(self, *names: str) -> None:
        """Leave out arguments that change nothing here; they are not even read."""
        for name in names:
            self._raw.pop(name, None)

    def read(self, reader: Callable[[], ReadT]) -> ReadT | None:
        """Read all arguments; those that are left are refused.

        Args:
            reader: Takes and ignores arguments. Where one is refused, expressions in the others still are.

        Returns:
            What it returned, or None where an argument was refused.
        """
        found = self._refusals.attempt(reader)
        if found is None:
            self.take_all()
        for name, value in self._raw.items():
            self._refusals.add(f"{self.place}#{name}", value, "medpipe has nothing like it: remove it")
        return found
