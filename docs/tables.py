"""Write the tables of the documentation from the code: ``python docs/tables.py``."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from medpipe.cli.exit_codes import Exit
from medpipe.core.codes import Code
from medpipe.core.findings import KnownFinding
from medpipe.runs.catalogue import STAGES, stage_class
from medpipe.runs.pipeline import RoleRule

DOCS: Final = Path(__file__).resolve().parent
_BLOCK: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Rewrite every page that holds generated tables."""
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            page.write_text(filled(text), encoding="utf-8")


def filled(text: str) -> str:
    """Return a page with its generated tables as the code has them now."""
    return _BLOCK.sub(lambda block: f"{block[1]}{_TABLES[block[2]]()}{block[3]}", text)


def _stages() -> str:
    parts = []
    for name, reference in STAGES.items():
        kind = stage_class(reference)
        takes = ", ".join(sorted(kind.takes)) or "nothing"
        gives = ", ".join(sorted(kind.gives))
        answers = "".join(f"; answers {request}" for request in sorted(kind.answers))
        flow = f"Takes {takes}; gives {gives}{answers}."
        parts.append(f"### {name}\n\n{_summary(kind)} {flow}\n\n{_fields(kind.params_type)}\n")
    return "\n" + "".join(parts)


def _roles() -> str:
    meanings = _attributes(RoleRule)
    rows = [
        (f"`{name}`", _type_of(schema), _default_of(schema), meanings[name])
        for name, schema in RoleRule.model_json_schema()["properties"].items()
    ]
    return _table(("key", "values", "default", "meaning"), rows)


def _kinds() -> str:
    rows = []
    for kind in KnownFinding.__args__:
        own = [name for name in kind.model_fields if name not in _common() and name != "kind"]
        optional = {name for name in own if not kind.model_fields[name].is_required()}
        names = ", ".join(f"`{name}`" + (" (optional)" if name in optional else "") for name in own)
        details = "".join(f" `{name}`: {text}" for name, text in _attributes(kind).items() if name in own)
        rows.append((f"`{kind.model_fields['kind'].default}`", names, _summary(kind) + details))
    return _table(("kind", "fields of its own", "meaning"), rows)


def _codes() -> str:
    return _table(("code", "meaning"), [(f"`{code}`", code.meaning) for code in Code])


def _exits() -> str:
    text = Path(DOCS.parent / "medpipe" / "cli" / "exit_codes.py").read_text(encoding="utf-8")
    meanings = re.findall(r'^    \w+ = (\d+)\n    """(.*?)"""', text, re.MULTILINE)
    assert len(meanings) == len(Exit)
    return _table(("exit code", "meaning"), meanings)


_TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "stages": _stages,
    "roles": _roles,
    "kinds": _kinds,
    "codes": _codes,
    "exits": _exits,
}


def _fields(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", _type_of(schema), _default_of(schema), schema["description"])
        for name, schema in model.model_json_schema()["properties"].items()
    ]
    return _table(("parameter", "values", "default", "meaning"), rows)


def _common() -> set[str]:
    return set.intersection(*(set(kind.model_fields) for kind in KnownFinding.__args__)) - {"kind"}


def _type_of(schema: Mapping[str, Any]) -> str:
    """Say in words which values a JSON schema takes."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type_of(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "$ref" in schema:
        definitions = RoleRule.model_json_schema()["$defs"]
        return _type_of(definitions[schema["$ref"].rpartition("/")[2]])
    if schema["type"] == "array":
        items = _type_of(schema["items"])
        return f"list of {items}"
    bound = next((f" {sign} {schema[key]:g}" for key, sign in _BOUNDS.items() if key in schema), "")
    return _WORDS[schema["type"]] + bound


_BOUNDS: Final = {"minimum": "≥", "exclusiveMinimum": ">"}
_WORDS: Final = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}


def _default_of(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return "required"
    default = schema["default"]
    if default in (None, []):
        return "–"
    if isinstance(default, list):
        return f"`[{', '.join(default)}]`"
    return f"`{str(default).lower()}`"


def _summary(kind: type) -> str:
    """Return the first line of a docstring, as Markdown."""
    return (kind.__doc__ or "").split("\n")[0].replace("``", "`")


def _attributes(kind: type) -> dict[str, str]:
    """Return what a docstring says of each attribute."""
    _, _, section = (kind.__doc__ or "").partition("Attributes:\n")
    return dict(re.findall(r"^ +(\w+): (.+)$", section.replace("``", "`"), re.MULTILINE))


def _table(head: tuple[str, ...], rows: list[Any]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    main()
