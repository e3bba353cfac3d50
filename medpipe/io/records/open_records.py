"""Health records by path: which source a folder or file is, and its patients."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.io.records.long_csv import NEEDS, read_long_csv
from medpipe.io.records.meds import read_meds
from medpipe.io.records.mimic3 import read_mimic3, table_of
from medpipe.io.records.physionet2012 import ARCHIVES, HEADER, read_physionet2012
from medpipe.io.records.raw_patient import RawPatient
from medpipe.io.records.tables import parquet_schema, read_header
from medpipe.io.records.yaib import MEASUREMENTS, STATICS, read_yaib

_SHOWN: Final = 6


class RecordSource(StrEnum):
    """The forms of health records that can be read."""

    MEDS = "meds"
    YAIB = "yaib"
    MIMIC3 = "mimic3"
    PHYSIONET2012 = "physionet2012"
    LONG_CSV = "long_csv"


_FORMS: Final[Mapping[RecordSource, str]] = {
    RecordSource.MEDS: "a MEDS folder (data/**/*.parquet) or one of its shards",
    RecordSource.YAIB: f"a folder of YAIB ({MEASUREMENTS}, {STATICS})",
    RecordSource.MIMIC3: "a folder of MIMIC-III (labevents, admissions, patients)",
    RecordSource.PHYSIONET2012: "the archive or text files of the PhysioNet challenge 2012",
    RecordSource.LONG_CSV: f"a CSV file with the columns {', '.join(NEEDS)}",
}

_READERS: Final[Mapping[RecordSource, Callable[[Path], Iterator[RawPatient]]]] = {
    RecordSource.MEDS: read_meds,
    RecordSource.YAIB: read_yaib,
    RecordSource.MIMIC3: read_mimic3,
    RecordSource.PHYSIONET2012: read_physionet2012,
    RecordSource.LONG_CSV: read_long_csv,
}


def open_records(path: Path) -> Iterator[RawPatient]:
    """Yield the patients of any source, one at a time.

    Raises:
        NoInputError: The path does not exist, or is none of the forms (``E_NO_INPUT``).
        SettingsError: The source is malformed; see its reader.
    """
    return _READERS[sniff_records(path)](path)


def sniff_records(path: Path) -> RecordSource:
    """Tell which form of health records a folder or file is, by names and first lines.

    Raises:
        NoInputError: It does not exist, or is none of the forms; says what was found (``E_NO_INPUT``).
    """
    if not path.exists():
        raise NoInputError(
            Code.E_NO_INPUT, f"There is no {path}", fix="Name a folder or file of health records."
        )
    source = _source_of_folder(path) if path.is_dir() else _source_of_file(path)
    if source is None:
        raise NoInputError(
            Code.E_NO_INPUT,
            f"{path.name or path} is no form of health records that is known",
            found=_content(path),
            fix=f"Known are {'; '.join(_FORMS.values())}.",
        )
    return source


def _source_of_folder(folder: Path) -> RecordSource | None:
    if (folder / MEASUREMENTS).is_file() and (folder / STATICS).is_file():
        return RecordSource.YAIB
    if table_of(folder, "labevents") and table_of(folder, "admissions"):
        return RecordSource.MIMIC3
    if next((folder / "data").rglob("*.parquet"), None) is not None:
        return RecordSource.MEDS
    if any(folder.glob(ARCHIVES)) or any(_is_stay(file) for file in folder.glob("*.txt")):
        return RecordSource.PHYSIONET2012
    return None


def _source_of_file(path: Path) -> RecordSource | None:
    try:
        if path.suffix == ".parquet":
            return RecordSource.MEDS if {"time", "code"} <= set(parquet_schema(path).names) else None
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                stays = any(name.endswith(".txt") for name in archive.namelist())
            return RecordSource.PHYSIONET2012 if stays else None
        columns = {column.lower() for column in read_header(path)[1]}
    except (SettingsError, zipfile.BadZipFile):
        return None
    return RecordSource.LONG_CSV if set(NEEDS) <= columns else None


def _is_stay(file: Path) -> bool:
    with open(file, "rb") as stream:
        return stream.readline(100).strip() == HEADER.encode()


def _content(path: Path) -> str:
    if path.is_file():
        return f"a file {path.suffix or 'without suffix'}{_missing(path)}"
    names = sorted(item.name for item in path.iterdir())
    more = len(names) - _SHOWN
    return (", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")) or "an empty folder"


def _missing(path: Path) -> str:
    """Say which columns a CSV file lacks; its own first line may be a patient's, and is not told."""
    if path.suffix != ".csv":
        return ""
    try:
        columns = {column.lower() for column in read_header(path)[1]}
    except SettingsError:
        return ""
    missing = [column for column in NEEDS if column not in columns]
    return f" without the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
