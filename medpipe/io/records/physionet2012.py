"""PhysioNet/CinC challenge 2012: one text file a stay, the first 48 hours, in an archive or a folder.

Source: https://physionet.org/content/challenge-2012/1.0.0/
"""

import csv
import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, RefusedError, SettingsError
from medpipe.io.records.raw_patient import AGE, HEIGHT_CM, SEX, WEIGHT_KG, RawPatient

HEADER: Final = "Time,Parameter,Value"
ARCHIVES: Final = "set-*.zip"

MAX_FILE_BYTES: Final = 4_000_000
"""The longest file of the challenge has 60 kB."""

_MISSING: Final = -1.0
_ID: Final = "RecordID"
_SEXES: Final = {0.0: "F", 1.0: "M"}
_DESCRIPTORS: Final = frozenset({_ID, "Age", "Gender", "Height", "ICUType"})
"""Parameters that describe the stay; weight is measured again and again, and is an event too."""


def read_physionet2012(path: Path) -> Iterator[RawPatient]:
    """Yield the stays of the challenge, one at a time, by the names of their files.

    Args:
        path: An archive, a folder of archives ``set-*.zip``, or a folder of text files.

    Yields:
        Every stay; hours since admission to the unit. A value of -1 means missing and becomes NaN. Height,
        age, sex and the first weight are statics. Outcomes are another file, which is not read.

    Raises:
        NoInputError: There is no stay.
        RefusedError: An archive is damaged (``E_CHECKSUM``).
        SettingsError: A file has another form or is too large, or a stay is there twice (``E_DATASET``).
    """
    seen: set[str] = set()
    for name, content in _files(path):
        patient = _patient(name, content)
        if patient.patient_id in seen:
            raise SettingsError(
                Code.E_DATASET, f"{name}: the stay is in two files", fix="Keep each stay once."
            )
        seen.add(patient.patient_id)
        yield patient
    if not seen:
        raise NoInputError(
            Code.E_NO_INPUT, f"{path.name} holds no stays", fix=f"A stay is a text file: {HEADER}."
        )


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for archive in sorted(path.glob(ARCHIVES)):
            yield from _members(archive)
        for file in sorted(path.glob("*.txt")):
            with open(file, "rb") as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
            if content.startswith(HEADER.encode()):
                yield file.name, _checked(file.name, content)
    else:
        yield from _members(path)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".txt"):
                    with archive.open(name) as stream:
                        yield name, _checked(name, stream.read(MAX_FILE_BYTES + 1))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise RefusedError(
            Code.E_CHECKSUM,
            f"The archive {path.name} cannot be read",
            found=str(error)[:200],
            fix="Fetch it anew.",
        ) from error


def _checked(name: str, content: bytes) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise SettingsError(
            Code.E_DATASET,
            f"{name} is too large for a stay",
            found=f"more than {MAX_FILE_BYTES} bytes",
            fix="This is no file of the challenge.",
        )
    return content


def _patient(name: str, content: bytes) -> RawPatient:
    lines = csv.reader(io.StringIO(content.decode("utf-8", "replace")))
    if next(lines, None) != HEADER.split(","):
        raise SettingsError(
            Code.E_DATASET, f"{name}: the first line is not that of the challenge", fix=f"It reads {HEADER}."
        )
    described: dict[str, float] = {}
    rows = []
    for number, cells in enumerate(lines, 2):
        if not cells:
            continue
        hour, parameter, value = _row(f"{name}, line {number}", cells)
        described.setdefault(parameter, value)
        if parameter not in _DESCRIPTORS:
            rows.append((hour, parameter, value))
    if not math.isfinite(described.get(_ID, math.nan)):
        raise SettingsError(
            Code.E_DATASET, f"{name}: {_ID} is missing", fix="This is no file of the challenge."
        )
    return RawPatient(
        patient_id=str(int(described[_ID])),
        time_h=np.array([row[0] for row in rows], dtype=np.float64),
        codes=np.array([row[1] for row in rows], dtype=object),
        values=np.array([row[2] for row in rows], dtype=np.float64),
        units=np.full(len(rows), "", dtype=object),
        statics=_statics(described),
    )


def _row(place: str, cells: list[str]) -> tuple[float, str, float]:
    try:
        time, parameter, text = cells
        hours, minutes = time.split(":")
        value = float(text)
        hour = int(hours) + int(minutes) / 60
    except ValueError as error:
        raise SettingsError(
            Code.E_DATASET, f"{place}: no time, parameter and value", fix="Such as 00:07,HR,73."
        ) from error
    return hour, parameter, math.nan if value == _MISSING else value


def _statics(described: dict[str, float]) -> dict[str, Any]:
    sex = _SEXES.get(described.get("Gender", math.nan))
    numbers = {AGE: "Age", HEIGHT_CM: "Height", WEIGHT_KG: "Weight"}
    found = {name: described.get(parameter, math.nan) for name, parameter in numbers.items()}
    known: dict[str, Any] = {name: value for name, value in found.items() if not math.isnan(value)}
    return {**known, SEX: sex} if sex else known
