"""Predicates: what the codes of a source mean, from a YAML file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, SettingsError
from medpipe.core.settings import KeyPath, SettingsFile, nearest, read_settings, validate_settings
from medpipe.ehr.units import conversion
from medpipe.ehr.variables import VARIABLES, Variable
from medpipe.io.records.open_records import RecordSource

_FOLDER: Final = Path(__file__).parent / "predicates"
_ANY: Final = "*"
_UNIT: Final = "{unit}"

PLAIN: Final = "plain"
"""Predicates of tables whose codes are the names of the variables and whose rows state their units."""


PREDICATES_OF: Final[Mapping[RecordSource, str]] = {
    RecordSource.MEDS: "mimic",
    RecordSource.YAIB: "yaib",
    RecordSource.MIMIC3: "mimic",
    RecordSource.PHYSIONET2012: "physionet2012",
    RecordSource.LONG_CSV: PLAIN,
}
"""Shipped predicates that fit each source; MEDS of another hospital needs a file of its own."""


class Meaning(NamedTuple):
    """What a code means.

    Attributes:
        variable: The variable.
        stated_unit: The unit that the code itself names; empty where it names none.
        assumed_unit: The unit of rows that state none; empty where none is assumed.
    """

    variable: Variable
    stated_unit: str = ""
    assumed_unit: str = ""


class Prefix(NamedTuple):
    """Codes that are known by how they begin; the rest is their unit, or says nothing of interest."""

    text: str
    rest_is_unit: bool
    meaning: Meaning


@dataclass(frozen=True, eq=False)
class Predicates:
    """Meanings of the codes of a source; each object equals itself alone, so that answers can be kept by it.

    Attributes:
        name: Name of shipped predicates, or of the file.
        codes: Meaning of each code that is written out.
        prefixes: Codes that are known by their beginning, the longest first.
        statics: Name and value that a code without a time stands for.
    """

    name: str
    codes: Mapping[str, Meaning]
    prefixes: tuple[Prefix, ...] = ()
    statics: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def meaning(self, code: str) -> Meaning | None:
        """Return what a code means; None where it is not known."""
        if code in self.codes:
            return self.codes[code]
        for prefix in self.prefixes:
            if code.startswith(prefix.text):
                unit = code.removeprefix(prefix.text) if prefix.rest_is_unit else ""
                return prefix.meaning._replace(stated_unit=unit)
        return None


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Entry(_Settings):
    """Codes of one variable; ``unit`` is that of rows that state none."""

    variable: str
    codes: tuple[str | int, ...]
    unit: str = ""


class _File(_Settings):
    """A predicates file."""

    description: str = ""
    predicates: tuple[_Entry, ...]
    statics: dict[str, dict[str, tuple[str | int, ...]]] = Field(default_factory=dict)


def shipped_predicates() -> tuple[str, ...]:
    """Return the names of the predicates that come with medpipe."""
    return (PLAIN, *sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def read_predicates(name: str) -> Predicates:
    """Read predicates by name, or from a file of one's own.

    Args:
        name: A shipped name (see :func:`shipped_predicates`) or the path of a file that ends in ``.yaml``.

    Returns:
        The meanings. A code ``LAB//50912//{unit}`` names its own unit; one that ends in ``*`` stands for all
        that begin so.

    Raises:
        SettingsError: The name is not known, or the file is wrong: unknown keys, variables or units, a code
            that stands twice.
    """
    if name == PLAIN:
        return Predicates(PLAIN, {item.name: Meaning(item) for item in VARIABLES.values()})
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        if name not in shipped_predicates():
            raise SettingsError(
                Code.E_SETTINGS,
                f"There are no predicates {name!r}",
                fix=f"{nearest(name, shipped_predicates())} A file of your own ends in .yaml.",
            )
        path = _FOLDER / f"{name}.yaml"
    settings = read_settings(path)
    return _predicates(name, validate_settings(_File, settings), settings)


def _predicates(name: str, file: _File, settings: SettingsFile) -> Predicates:
    codes: dict[str, Meaning] = {}
    prefixes: dict[str, Prefix] = {}
    for code, meaning, place in _entries(file, settings):
        if code in codes or code.removesuffix(_ANY).removesuffix(_UNIT) in prefixes:
            raise SettingsError(
                Code.E_SETTINGS, f"{place}: a code stands twice", found=code, fix="Keep one of the two."
            )
        if code.endswith((_ANY, _UNIT)):
            text = code.removesuffix(_ANY).removesuffix(_UNIT)
            prefixes[text] = Prefix(text, code.endswith(_UNIT), meaning)
        else:
            codes[code] = meaning
    statics = {
        str(code): (static, value)
        for static, values in file.statics.items()
        for value, static_codes in values.items()
        for code in static_codes
    }
    longest_first = sorted(prefixes.values(), key=lambda prefix: (-len(prefix.text), prefix.text))
    return Predicates(name, codes, tuple(longest_first), statics)


def _entries(file: _File, settings: SettingsFile) -> Iterator[tuple[str, Meaning, str]]:
    """Yield each code with its meaning and the place where it stands."""
    for number, entry in enumerate(file.predicates):
        path: KeyPath = ("predicates", number)
        name = entry.variable
        if name not in VARIABLES:
            raise SettingsError(
                Code.E_SETTINGS,
                f"{settings.place((*path, 'variable'))}: there is no variable {name!r}",
                fix=nearest(name, VARIABLES),
            )
        variable = VARIABLES[name]
        if entry.unit:
            _check_unit(variable, entry.unit, settings.place((*path, "unit")))
        for index, code in enumerate(entry.codes):
            yield (
                str(code),
                Meaning(variable, assumed_unit=entry.unit),
                settings.place((*path, "codes", index)),
            )


def _check_unit(variable: Variable, unit: str, place: str) -> None:
    try:
        conversion(variable, unit)
    except RefusedError as error:
        raise SettingsError(
            Code.E_SETTINGS, f"{place}: {error.what}", found=error.found, fix=error.fix
        ) from error
