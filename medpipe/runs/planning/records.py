"""Shards of patients as units of work."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.records.open_records import open_records, sniff_records
from medpipe.runs.folder.book import Progress
from medpipe.runs.folder.run_folder import RunFolder, RunListing
from medpipe.runs.identity import Identity
from medpipe.runs.options import RunOptions
from medpipe.runs.plan import Plan, UnitKind
from medpipe.runs.planning.planner import Planner
from medpipe.runs.planning.record_import import files_of, import_records, numbered, shard_path
from medpipe.runs.unit import Unit


class RecordPlanner(Planner):
    """Takes health records into the run folder; every shard is a unit.

    Raises:
        SettingsError: There is not one source, or a shard would hold nobody.
    """

    def __init__(
        self, inputs: Sequence[Path], options: RunOptions, identity: Identity, progress: Progress | None
    ) -> None:
        if len(inputs) != 1:
            raise SettingsError(
                Code.E_SETTINGS,
                "A run of records has one source",
                found=f"{len(inputs)} inputs",
                fix="Name one folder or file, and a run folder for each.",
            )
        if options.shard_patients < 1:
            raise SettingsError(
                Code.E_SETTINGS, "A shard holds a patient or more", found=f"{options.shard_patients}"
            )
        self._source = inputs[0].absolute()
        self._options = options
        self._identity = identity
        self._progress = progress

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The source."""
        return (self._source,)

    def join(self, folder: RunFolder, older: Sequence[Path]) -> None:
        """Check that the source is that of the run's earlier calls; its content may have changed."""
        if list(older) != [self._source]:
            raise SettingsError(
                Code.E_OUTPUT,
                "The run was begun with other records",
                found=self._source.name,
                fix="Name the same folder or file, or a new output folder.",
            )

    def check(self) -> None:
        """Tell the form of the source by names and first lines."""
        sniff_records(self._source)

    def preview(self) -> Plan:
        """Read the source and count its patients."""
        files = files_of(self._source)
        num_patients, units = 0, []
        records = numbered(open_records(self._source), self._options.shard_patients)
        for number, group in groupby(records, key=itemgetter(0)):
            in_shard = sum(1 for _ in groupby(group, key=lambda pair: pair[1].patient_id))
            num_patients += in_shard
            units.append(Unit(f"shard-{number:05d}", _label(in_shard)))
        return Plan(
            tuple(units),
            num_files=files.num_files,
            bytes_to_read=files.num_bytes,
            num_patients=num_patients,
            kind=UnitKind.SHARD,
        )

    def plan(self, folder: RunFolder) -> Plan:
        """Import the source where it is not there yet; its shards are the units."""
        if not folder.read_listing().units:
            # Who asks meanwhile is told that there are no shards yet, not that there are no studies.
            folder.write_listing(
                RunListing(num_files=0, units=(), skipped=(), num_patients=0, kind=UnitKind.SHARD)
            )
        index = import_records(
            self._source,
            folder,
            self._identity,
            shard_patients=self._options.shard_patients,
            progress=self._progress,
        )
        units = (
            Unit(
                shard.id,
                _label(shard.patients),
                files=(str(shard_path(folder, shard.id).absolute()),),
                fingerprint=shard.sha256,
                number=number,
            )
            for number, shard in enumerate(index.shards)
        )
        return Plan(
            tuple(units),
            num_files=index.num_files,
            bytes_to_read=sum(shard.num_bytes for shard in index.shards),
            num_patients=index.num_patients,
            kind=UnitKind.SHARD,
        )


def _label(num_patients: int) -> str:
    return f"{num_patients} patient{'' if num_patients == 1 else 's'}"
