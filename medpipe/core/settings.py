"""Settings: YAML files as data with line numbers, and the environment, each read once."""

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, NoReturn, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

ModelT = TypeVar("ModelT", bound=BaseModel)
KeyPath = tuple[str | int, ...]

MAX_FILE_BYTES: Final = 1_000_000
"""A settings file is written by a person; anything larger is not one."""

MAX_DEPTH: Final = 20
"""Deeper nesting is no setting, and would exhaust the stack."""


_VALUE_ERROR: Final = "Value error, "
"""What pydantic sets before the words of a validator."""

_EXPECTED: Final[Mapping[str, str]] = {
    "bool_parsing": "true or false is expected",
    "bool_type": "true or false is expected",
    "float_parsing": "a number is expected",
    "float_type": "a number is expected",
    "int_parsing": "a whole number is expected",
    "int_type": "a whole number is expected",
    "string_type": "text is expected; put it in quotes",
    "tuple_type": "a list is expected, such as [a, b]",
}
"""Words for what pydantic says about values of another type."""


@dataclass(frozen=True)
class SettingsFile:
    """Parsed settings and where each key stands.

    Attributes:
        name: File name for messages.
        data: Plain mappings, sequences and scalars.
        lines: Line (from 1) of each key path.
    """

    name: str
    data: Any
    lines: Mapping[KeyPath, int]

    def place(self, path: KeyPath) -> str:
        """Return ``file, line n`` of the closest key that is known.

        Parts that are no keys of the file are skipped, such as the tag that pydantic names in a union.
        """
        known: KeyPath = ()
        for part in path:
            if (*known, part) in self.lines:
                known = (*known, part)
        line = self.lines.get(known)
        return self.name if line is None else f"{self.name}, line {line}"


def read_settings(path: Path) -> SettingsFile:
    """Read a YAML file as data.

    Raises:
        SettingsError: It cannot be read, is no YAML, or uses tags, aliases or a key twice.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SettingsError(Code.E_SETTINGS, f"{path.name} is too large for a settings file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The settings file {path} cannot be read",
            found=_reason(error),
            fix="Name a YAML file in UTF-8.",
        ) from error
    return parse_settings(text, name=path.name)


def parse_settings(text: str, *, name: str) -> SettingsFile:
    """Parse YAML text as data; see :func:`read_settings`."""
    lines: dict[KeyPath, int] = {}
    try:
        _refuse_more_than_data(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = None if node is None else _plain(node, (), lines, name)
    except yaml.YAMLError as error:
        mark: yaml.Mark | None = getattr(error, "problem_mark", None)
        where = f"{name}, line {mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error)
        raise SettingsError(Code.E_SETTINGS, f"{where}: not valid YAML", found=problem) from error
    return SettingsFile(name, data, lines)


def validate_settings(model: type[ModelT], settings: SettingsFile) -> ModelT:
    """Build a typed model from parsed settings.

    Args:
        model: A pydantic model that forbids extra fields.
        settings: The parsed file.

    Raises:
        SettingsError: Names the line, the wrong key or value, and the nearest valid key.
    """
    if not isinstance(settings.data, Mapping):
        raise SettingsError(
            Code.E_SETTINGS,
            f"{settings.place(())}: expected keys and values",
            found=type(settings.data).__name__,
        )
    try:
        return model.model_validate(settings.data)
    except ValidationError as error:
        _raise_first(error, model, settings)


def nearest(name: str, choices: Iterable[str]) -> str:
    """Return ``Did you mean 'x'?`` for the closest choice, else the list of choices."""
    known = sorted(choices)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Choose one of: {', '.join(known)}." if known else "Leave it out."


def parse_part(text: str, *, noun: str, total: str) -> tuple[int, int]:
    """Read which part of how many, such as ``2/4``.

    Args:
        text: As a person wrote it.
        noun: What is divided, for the message, such as ``"shard"``.
        total: Letter that the number of parts goes by, such as ``"n"``.

    Returns:
        The part, from 1, and the number of parts.

    Raises:
        SettingsError: It is no such pair, or the part lies outside.
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise SettingsError(
            Code.E_SETTINGS,
            f"A {noun} is i/{total} with i from 1 to {total}",
            found=repr(text),
            fix="Such as 1/4.",
        )
    return int(index), int(count)


def configuration_folder() -> Path:
    """Return the user's folder for keys and settings (XDG base directory specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "medpipe"


def cache_folder() -> Path:
    """Return the user's folder for what can be made again (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "medpipe"


def offer_environment(**variables: str) -> None:
    """Set variables that libraries read, where the user has not set them."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def environment_with(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, for a process that it starts."""
    return {**os.environ, **changes}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "bytes that are no text" if isinstance(error, UnicodeDecodeError) else str(error.strerror)


def _refuse_more_than_data(text: str, name: str) -> None:
    """Refuse aliases (which can grow without bound), tags (which ask for types) and endless nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        tag: str | None = getattr(event, "tag", None)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        place = f"{name}, line {_line_of(event)}"
        if isinstance(event, yaml.AliasEvent):
            raise SettingsError(
                Code.E_SETTINGS,
                f"{place}: aliases are not allowed",
                found=f"*{event.anchor}",
                fix="Write the value out.",
            )
        if tag is not None:
            raise SettingsError(
                Code.E_SETTINGS,
                f"{place}: tags are not allowed",
                found=tag,
                fix="Settings are plain data; nothing in them is executed.",
            )
        if depth > MAX_DEPTH:
            raise SettingsError(
                Code.E_SETTINGS, f"{place}: the nesting is too deep", found=f"more than {MAX_DEPTH} levels"
            )


def _line_of(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 0


def _plain(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], name: str) -> Any:
    lines[path] = _line_of(node)
    if isinstance(node, yaml.MappingNode):
        return _plain_mapping(node, path, lines, name)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), lines, name) for index, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except ValueError as error:  # dates that are none, numbers of thousands of digits
        raise SettingsError(
            Code.E_SETTINGS,
            f"{name}, line {_line_of(node)}: a value cannot be read",
            found=repr(node.value[:40]),
            fix="Put it in quotes if it is text.",
        ) from error


def _plain_mapping(node: yaml.MappingNode, path: KeyPath, lines: dict[KeyPath, int], name: str) -> Any:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise SettingsError(Code.E_SETTINGS, f"{name}, line {_line_of(key_node)}: a key must be a word")
        key = str(key_node.value)
        if key in result:
            raise SettingsError(
                Code.E_SETTINGS,
                f"{name}, line {_line_of(key_node)}: a key stands twice",
                found=repr(key),
                fix="Keep one of the two.",
            )
        result[key] = _plain(value_node, (*path, key), lines, name)
        lines[(*path, key)] = _line_of(key_node)
    return result


def _raise_first(error: ValidationError, model: type[BaseModel], settings: SettingsFile) -> NoReturn:
    problems = error.errors(include_url=False)
    # An unknown key comes first: a misspelt one is missing too.
    first = next((item for item in problems if item["type"] == "extra_forbidden"), problems[0])
    where = settings.place(first["loc"])
    key = next((part for part in reversed(first["loc"]) if isinstance(part, str)), "")
    if first["type"] == "extra_forbidden":
        raise SettingsError(
            Code.E_SETTINGS,
            f"{where}: unknown key {key!r}",
            fix=nearest(key, _fields_at(model, first["loc"][:-1])),
        ) from error
    if first["type"] == "missing":
        raise SettingsError(
            Code.E_SETTINGS, f"{where}: the key {key!r} is missing", fix="Give it a value."
        ) from error
    if first["type"] == "value_error" and isinstance(first["input"], Mapping):  # keys that do not fit
        told = first["msg"].removeprefix(_VALUE_ERROR)
        raise SettingsError(Code.E_SETTINGS, f"{where}: {told}", fix="Change one of the keys.") from error
    key = _last_key(first["loc"], settings.data) or key
    raise SettingsError(
        Code.E_SETTINGS,
        f"{where}: {key!r} is not valid ({_EXPECTED.get(first['type'], first['msg'])})",
        found=repr(first["input"]),
    ) from error


def _last_key(path: KeyPath, data: Any) -> str:
    """Return the last key of a path that stands in the data; tags of a union do not."""
    last = ""
    for part in path:
        if isinstance(data, Mapping) and part in data:
            last, data = str(part), data[part]
        elif isinstance(part, int) and isinstance(data, list) and part < len(data):
            data = data[part]
    return last


def _fields_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the valid keys of the mapping that stands at a path of a model's settings."""
    annotation: Any = model
    for key in path:
        if _is_model(annotation):
            field = annotation.model_fields.get(str(key))
            annotation = _present(field.annotation) if field else None
        elif isinstance(annotation, UnionType):  # of models: pydantic names the tag of the one that was meant
            annotation = next((item for item in get_args(annotation) if _has_tag(item, key)), None)
        else:  # into the values of a mapping or the items of a sequence
            items = [item for item in get_args(annotation) if item is not Ellipsis]
            annotation = _present(items[-1]) if items else None
    if not _is_model(annotation):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _present(annotation: Any) -> Any:
    """Return what stands in ``X | None``, and any other annotation as it is."""
    if isinstance(annotation, UnionType):
        items = [item for item in get_args(annotation) if item is not NoneType]
        return items[0] if len(items) == 1 else annotation
    return annotation


def _has_tag(annotation: Any, tag: str | int) -> bool:
    """Return whether pydantic means a model by a tag: its kind, or its name in a union without kinds."""
    if not _is_model(annotation):
        return False
    return annotation.__name__ == tag or any(
        field.default == tag for field in annotation.model_fields.values()
    )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
