"""Import of health records: the source is read once and becomes shards of patients in the run folder.

Names and times of the source's files say whether it is the same; shards that a killed import left behind are
kept then, as their records come in the same order.
"""

import csv
import hashlib
import io
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from medpipe.core.codes import Code
from medpipe.core.errors import MedpipeError, SettingsError
from medpipe.io.atomic import atomic_write, sweep_leftovers, write_text
from medpipe.io.content_hash import sha256_of
from medpipe.io.records.open_records import open_records, sniff_records
from medpipe.io.records.raw_patient import STAY, RawPatient
from medpipe.io.records.record_shards import SOURCE, shard_facts, write_record_shard
from medpipe.runs.folder.book import Progress
from medpipe.runs.folder.lease import Leases
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.identity import Identity, table_cell

RECORDS: Final = "records"
"""Folder of the shards in a run folder."""
INDEX: Final = "index.json"
MAPPING: Final = "mapping.csv"
MAPPING_COLUMNS: Final = ("patient_id", "patient", "stay_id", "stay", "shard")

_UNDER_WAY: Final = "key"
"""File that says of which import the shards are, before there is an index."""

_FORMAT: Final = "medpipe records 1"
_LEASE: Final = "records"
_PATIENCE_S: Final = 0.5


class ShardEntry(BaseModel):
    """A shard as the index lists it.

    Attributes:
        id: Name of the shard, and of its file without ``.parquet``.
        sha256: Of the file.
        patients: Patients.
        records: Records: stays, where the source has a record for each.
        rows: Rows of all of them.
        num_bytes: Size of the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    sha256: str
    patients: int
    records: int
    rows: int
    num_bytes: int


class RecordIndex(BaseModel):
    """Content of ``records/index.json``: written once all shards are there.

    Attributes:
        key: Hash of the source's files and of how they were taken in.
        source: Form of the source.
        num_files: Files of the source.
        shards: In order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    source: str
    num_files: int
    shards: tuple[ShardEntry, ...]

    @property
    def num_patients(self) -> int:
        """Patients of all shards."""
        return sum(shard.patients for shard in self.shards)


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source.

    Attributes:
        fingerprint: Hash over their names within the source, sizes and times.
        num_files: How many they are.
        num_bytes: Size of all.
    """

    fingerprint: str
    num_files: int
    num_bytes: int


def files_of(source: Path) -> SourceFiles:
    """Look at the files of a source without reading them."""
    paths = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    digest, num_bytes = hashlib.sha256(), 0
    for path in paths:
        status = os.stat(path)
        name = path.relative_to(source) if source.is_dir() else path.name
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
        num_bytes += status.st_size
    return SourceFiles(digest.hexdigest()[:32], len(paths), num_bytes)


def shard_path(folder: RunFolder, shard_id: str) -> Path:
    """Return the file of a shard."""
    return folder.path / RECORDS / f"{shard_id}.parquet"


def read_index(folder: RunFolder) -> RecordIndex | None:
    """Return the index; None where the import has not ended, or a shard is not as it was written."""
    try:
        index = RecordIndex.model_validate_json((folder.path / RECORDS / INDEX).read_bytes())
        sizes = [shard_path(folder, shard.id).stat().st_size for shard in index.shards]
    except (OSError, ValidationError):
        return None
    return index if sizes == [shard.num_bytes for shard in index.shards] else None


def import_records(
    source: Path,
    folder: RunFolder,
    identity: Identity,
    *,
    shard_patients: int,
    progress: Progress | None = None,
) -> RecordIndex:
    """Return the shards of a source, which are made where they are not there yet.

    Of several processes one makes them, the others wait for it.

    Args:
        source: Health records in any form that is read.
        folder: Run folder, which exists.
        identity: Gives patients and stays their names.
        shard_patients: Patients a shard.
        progress: Called with ``"read"``, patients done and 0.

    Raises:
        NoInputError: There are no records.
        RefusedError: An archive is damaged.
        SettingsError: The source is malformed; see its reader.
        MachineError: Writing failed.
    """
    files = files_of(source)
    parts = (_FORMAT, files.fingerprint, identity.fingerprint, identity.names.value, str(shard_patients))
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    leases = Leases(folder.path / "state")
    try:
        while True:
            index = read_index(folder)
            if index is not None and index.key == key:
                return index
            if leases.acquire(_LEASE):
                made = _Import(folder, identity, key, shard_patients, progress).run(source, files)
                leases.release(_LEASE)
                return made
            time.sleep(_PATIENCE_S)
    finally:
        leases.close()


def numbered(records: Iterable[RawPatient], shard_patients: int) -> Iterator[tuple[int, RawPatient]]:
    """Yield each record with the number of its shard; the records of a patient stand together in one."""
    num_patients, before = 0, None
    for record in records:
        if record.patient_id != before:
            num_patients, before = num_patients + 1, record.patient_id
        yield (num_patients - 1) // shard_patients, record


@dataclass
class _Tally:
    patients: int = 0
    records: int = 0
    rows: int = 0
    last: str | None = None

    def add(self, record: RawPatient) -> None:
        self.patients += record.patient_id != self.last
        self.last = record.patient_id
        self.records += 1
        self.rows += record.num_rows


class _Import:
    """One import under way."""

    def __init__(
        self,
        folder: RunFolder,
        identity: Identity,
        key: str,
        shard_patients: int,
        progress: Progress | None,
    ) -> None:
        self._folder = folder
        self._identity = identity
        self._key = key
        self._shard_patients = shard_patients
        self._progress = progress
        self._done = 0

    def run(self, source: Path, files: SourceFiles) -> RecordIndex:
        """Read the source; the index comes last, so that a killed import has none."""
        form = sniff_records(source)
        place = self._folder.path / RECORDS
        place.mkdir(exist_ok=True, mode=0o700)
        (place / INDEX).unlink(missing_ok=True)
        sweep_leftovers(place)
        self._forget_others(place)
        records = numbered(_read(source), self._shard_patients)
        with atomic_write(self._folder.path / MAPPING, mode=0o600) as mapping:
            _write_rows(mapping, [MAPPING_COLUMNS])
            shards = [
                self._shard(f"shard-{number:05d}", map(itemgetter(1), group), form.value, mapping)
                for number, group in groupby(records, key=itemgetter(0))
            ]
        index = RecordIndex(key=self._key, source=form.value, num_files=files.num_files, shards=tuple(shards))
        write_text(place / INDEX, index.model_dump_json(indent=1) + "\n", durable=self._folder.durable)
        return index

    def _forget_others(self, place: Path) -> None:
        """Remove the shards of another source, or of one that changed since."""
        note = place / _UNDER_WAY
        if note.exists() and note.read_text() == self._key:
            return
        for path in place.glob("shard-*.parquet"):
            path.unlink()
        write_text(note, self._key, durable=self._folder.durable)

    def _shard(
        self, shard_id: str, records: Iterable[RawPatient], form: str, mapping: BinaryIO
    ) -> ShardEntry:
        path = shard_path(self._folder, shard_id)
        tally = _Tally()
        named = self._named(records, shard_id, tally, mapping)
        facts = {SOURCE: form}
        if shard_facts(path) == facts:
            for _ in named:  # its records come by all the same
                pass
        else:
            write_record_shard(path, named, facts=facts, durable=self._folder.durable)
        return ShardEntry(
            id=shard_id,
            sha256=sha256_of([path]),
            patients=tally.patients,
            records=tally.records,
            rows=tally.rows,
            num_bytes=path.stat().st_size,
        )

    def _named(
        self, records: Iterable[RawPatient], shard_id: str, tally: _Tally, mapping: BinaryIO
    ) -> Iterator[RawPatient]:
        """Yield records under the names of the run, and note what they were."""
        for record in records:
            num_before = tally.patients
            tally.add(record)
            stay = str(record.statics.get(STAY, ""))
            patient_id, stay_id = self._identity.record_id(record.patient_id), self._identity.stay_id(stay)
            row = (patient_id, record.patient_id, stay_id if stay else "", stay, shard_id)
            _write_rows(mapping, [tuple(table_cell(cell) for cell in row)])
            statics = {**record.statics, **({STAY: stay_id} if stay else {})}
            yield replace(record, patient_id=patient_id, statics=statics)
            self._done += tally.patients - num_before
            if self._progress is not None:
                self._progress("read", self._done, 0)


def _read(source: Path) -> Iterator[RawPatient]:
    """Yield the records of a source; what it cannot read is not taken for a fault of the output."""
    try:
        yield from open_records(source)
    except OSError as error:
        if isinstance(error, MedpipeError):
            raise
        raise SettingsError(
            Code.E_UNREADABLE,
            f"The records {source.name} cannot be read",
            found=error.strerror or type(error).__name__,
            fix="Correct the permissions or fetch them anew, then give the same command again.",
        ) from error


def _write_rows(stream: BinaryIO, rows: Iterable[Iterable[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    stream.write(text.getvalue().encode("utf-8", "replace"))
