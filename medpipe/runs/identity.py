"""Study and patient ids: keyed hashes, so that no identifier reaches a path or a page."""

import csv
import hashlib
import hmac
import io
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, SettingsError
from medpipe.core.settings import configuration_folder
from medpipe.io.atomic import temporary_beside, write_bytes
from medpipe.io.series import Study

KEY_BYTES: Final = 32
ID_DIGITS: Final = 20
"""Hexadecimal digits of an id: 80 bits, so that a million studies do not collide."""

_COLUMNS: Final = ("study_id", "patient_id", "study_uid", "patient", "num_files", "first_path")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_FORMULA_STARTS: Final = ("=", "+", "-", "@")


class Names(StrEnum):
    """How studies are named."""

    HASHED = "hashed"
    ORIGINAL = "original"
    """For data that is already de-identified: file or BIDS names, sanitised, with a short hash; the patients
    of records keep their own."""


@dataclass(frozen=True)
class Identity:
    """Derives ids from a secret key.

    Attributes:
        key: Secret; equal keys give equal ids.
        names: How studies are named.
    """

    key: bytes
    names: Names = Names.HASHED

    @property
    def fingerprint(self) -> str:
        """A hash that tells keys apart without telling the key."""
        return self._digest("key", "fingerprint")

    def study_id(self, study: Study) -> str:
        """Return the id of a study: ``st-`` and a keyed hash of its UID or content."""
        digest = self._digest("study", study.uid)
        if self.names is Names.ORIGINAL:
            stem = _UNSAFE.sub("-", study.name or Path(study.paths[0]).name.split(".")[0]).strip("-.")[:60]
            return f"{stem}-{digest[:8]}" if stem else f"st-{digest}"
        return f"st-{digest}"

    def patient_id(self, patient: str) -> str:
        """Return the id of a patient; empty where the header names none."""
        return f"pt-{self._digest('patient', patient)}" if patient else ""

    def record_id(self, patient: str) -> str:
        """Return the id of a patient of health records, safe as a file name.

        Original names stay as they are where they can; what was changed ends in a short hash.
        """
        if self.names is Names.HASHED:
            return f"pt-{self._digest('patient', patient)}"
        safe = _UNSAFE.sub("-", patient).strip("-.")[:60]
        if safe == patient:
            return patient
        return "-".join(filter(None, (safe, self._digest("patient", patient)[:8])))

    def stay_id(self, stay: str) -> str:
        """Return the id of a stay, which a source may write as the number of the encounter."""
        return stay if self.names is Names.ORIGINAL else f"sy-{self._digest('stay', stay)}"

    def _digest(self, purpose: str, text: str) -> str:
        message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self.key, message, hashlib.sha256).hexdigest()[:ID_DIGITS]


def load_key(path: Path | None = None) -> bytes:
    """Return the secret key, made on first use.

    Args:
        path: Key file; the user's configuration folder when None.

    Raises:
        SettingsError: The named file is missing or too short.
        MachineError: The key cannot be written.
    """
    if path is not None:
        return _read_key(path)
    default = configuration_folder() / "key"
    if not default.exists():
        try:
            _make_key(default)
        except OSError as error:
            raise MachineError(
                Code.E_DISK,
                f"The key cannot be written to {default}",
                found=error.strerror or "",
                fix="Name a key file with --key, or set XDG_CONFIG_HOME to a folder that can be written.",
            ) from error
    return _read_key(default)


def mapping_csv(
    studies: Iterable[tuple[str, Study]], identity: Identity, *, older: Path | None = None
) -> str:
    """Return the table that leads from ids back to identifiers; keep it as secret as the scans.

    Args:
        studies: Ids and studies.
        identity: Gives the patient ids.
        older: A table whose rows of other studies are kept; may be absent.
    """
    rows = dict(_older_rows(older)) if older is not None and older.exists() else {}
    for study_id, study in studies:
        row = (
            study_id,
            identity.patient_id(study.patient),
            study.uid,
            study.patient,
            str(len(study.paths)),
            study.paths[0] if study.paths else "",
        )
        rows[study_id] = [table_cell(value) for value in row]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(row for _, row in sorted(rows.items()))
    return buffer.getvalue()


def _older_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            if len(row) == len(_COLUMNS) and tuple(row) != _COLUMNS:
                yield row[0], row


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read (mode 0600)."""
    write_bytes(path, text.encode("utf-8", "replace"), mode=0o600)


def _make_key(path: Path) -> None:
    """Write a key that is complete from the first moment; of several processes one makes it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = temporary_beside(path)
    written.touch(mode=0o600)
    written.write_text(secrets.token_hex(KEY_BYTES) + "\n", encoding="ascii")
    try:
        os.link(written, path)
    except FileExistsError:
        return
    finally:
        written.unlink()


def _read_key(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The key file {path} cannot be read",
            found=getattr(error, "strerror", None) or "bytes that are no text",
            fix="Name another file with --key, or leave --key out to use your own key.",
        ) from error
    if len(text) < KEY_BYTES:
        raise SettingsError(
            Code.E_SETTINGS,
            f"The key file {path} is too short",
            found=f"{len(text)} characters, at least {KEY_BYTES} are needed",
            fix="Make one with: python -c 'import secrets; print(secrets.token_hex(32))'.",
        )
    return text.encode("ascii")


def table_cell(text: str) -> str:
    """Keep spreadsheets from reading a header field as a formula, or a line of one as a row of the table."""
    clean = _CONTROL.sub("", text)
    return f"'{clean}" if clean.lstrip().startswith(_FORMULA_STARTS) else clean
