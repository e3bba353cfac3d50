"""A bundle's configuration as data: ``@`` references and literals are followed, nothing is executed.

MONAI evaluates any Python after a ``$``. Here ``$`` may stand before a literal, a reference or the name of a
number type; everything else is refused.

Source: MONAI bundle specification; ``monai.bundle.config_item`` and ``monai.bundle.reference_resolver``.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import read_settings
from medpipe.zoo.foreign.refusals import Refusals
from medpipe.zoo.strict_json import parse_json

MAX_FILE_BYTES: Final = 1_000_000
_MAX_VALUES: Final = 10_000
"""References may repeat parts; more values than this are no configuration."""

_MAX_DEPTH: Final = 40
_REFERENCE: Final = re.compile(r"@(\w+(?:(?:#|::)\w+)*)")
_SEPARATOR: Final = re.compile(r"#|::")
_NUMBER_TYPE: Final = re.compile(r"(?:torch|np|numpy)\.((?:float|int|uint)\d+|bool)")

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_PROGRAM: Final = re.compile(
    r"__|(?<![\w.@#])(?:os(?!\.(?:path|sep|listdir|makedirs)\b)|subprocess|sys|shutil|socket|importlib|builtins"
    r"|runpy|ctypes|pickle|pty|requests|urllib|eval|exec|compile|open|getattr|globals|locals|vars)\b"
)
"""What no bundle needs to say: it would start programs, import by name or reach the network. A courtesy to
the reader, not what keeps the machine safe: that is that nothing is executed."""


def read_config(path: Path) -> Any:
    """Read a JSON or YAML file of a bundle as data.

    Raises:
        SettingsError: It cannot be read, is too large or not valid; YAML with tags or aliases is refused.
    """
    if path.suffix != ".json":
        return read_settings(path).data
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            Code.E_PACKAGE, f"The file {path.name} cannot be read", found=error.strerror or str(error)
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(Code.E_PACKAGE, f"{path.name} is too large for a configuration")
    return parse_json(content, name=path.name)


class BundleConfig:
    """``inference.json`` as data.

    Args:
        data: The parsed file.
        refusals: Where refused items are noted.

    Attributes:
        data: The same.
        used: Top-level keys that were read.

    Raises:
        SettingsError: The file holds no keys and values.
    """

    def __init__(self, data: Any, refusals: Refusals) -> None:
        if not isinstance(data, Mapping):
            raise SettingsError(
                Code.E_PACKAGE, "A configuration must hold keys and values", found=type(data).__name__
            )
        self.data: Mapping[str, Any] = data
        self._refusals = refusals
        self._num_values = 0
        self.used: set[str] = set()

    @property
    def unused(self) -> tuple[str, ...]:
        """Top-level keys that nothing asked for."""
        return tuple(key for key in self.data if key not in self.used)

    def refuse_programs(self) -> None:
        """Note every expression and target of the file that would run programs, read or not."""
        for place, text in _strings(self.data):
            is_code = text.startswith("$") or place.endswith("_target_")
            if is_code and text.strip() != "$import os" and _PROGRAM.search(_QUOTED.sub("''", text)):
                self._refusals.add(
                    place,
                    text,
                    "this could run a program: do not use the bundle unless you know why it is there",
                )

    def at(self, key: str) -> Any:
        """Return what stands at an id such as ``"preprocessing#transforms#0"``, references not followed.

        Raises:
            RefusedItemError: There is nothing.
        """
        found: Any = self.data
        parts = _SEPARATOR.split(key)
        self.used.add(parts[0])
        for part in parts:
            if isinstance(found, Mapping) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                self._refusals.refuse(key, "nothing", "give it a value")
        return found

    def value(self, raw: Any, place: str) -> Any:
        """Return a value with its references followed and its literals read.

        Raises:
            RefusedItemError: It holds an expression, a loop of references or more values than a setting has.
        """
        return self._value(raw, place, ())

    def _value(self, raw: Any, place: str, trail: tuple[str, ...]) -> Any:
        self._num_values += 1
        if self._num_values > _MAX_VALUES or place.count("#") > _MAX_DEPTH:
            self._refusals.refuse(place, "more values than a configuration has", "write them out")
        if isinstance(raw, Mapping):
            return {key: self._value(item, f"{place}#{key}", trail) for key, item in raw.items()}
        if isinstance(raw, list):
            return [self._value(item, f"{place}#{index}", trail) for index, item in enumerate(raw)]
        if not isinstance(raw, str) or raw[:1] not in ("$", "@", "%"):
            return raw
        text = raw.removeprefix("$").strip()
        if match := _REFERENCE.fullmatch(text):
            return self._referred(match.group(1), trail)
        if raw.startswith("$"):
            return self._literal(text, place)
        self._refusals.refuse(place, repr(raw), "write the value out")

    def _referred(self, key: str, trail: tuple[str, ...]) -> Any:
        key = _SEPARATOR.sub("#", key)
        if key in trail:
            loop = " -> ".join((*trail[trail.index(key) :], key))
            self._refusals.refuse(key, f"a loop of references, {loop}", "write the value out")
        return self._value(self.at(key), key, (*trail, key))

    def _literal(self, text: str, place: str) -> Any:
        if match := _NUMBER_TYPE.fullmatch(text):
            return match.group(1)
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            self._refusals.refuse(
                place, f"the expression ${text}", "write its value; expressions are never run"
            )


def _strings(data: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string of nested data with its id."""
    if place.count("#") > _MAX_DEPTH:
        raise SettingsError(Code.E_PACKAGE, "The nesting of a configuration is too deep", found=place[:100])
    if isinstance(data, str):
        yield place, data
    elif isinstance(data, Mapping | list):
        for key, item in data.items() if isinstance(data, Mapping) else enumerate(data):
            yield from _strings(item, f"{place}#{key}" if place else str(key))
