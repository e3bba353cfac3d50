"""The plan of a run: every study of an index as a unit of work, before anything is written."""

import hashlib
import os
from dataclasses import dataclass
from typing import Final

from medpipe.core.errors import RefusedError
from medpipe.core.settings import parse_part
from medpipe.io.series import Skipped, Study, TreeIndex
from medpipe.runs.choice import choose_inputs
from medpipe.runs.identity import Identity
from medpipe.runs.pipeline import Pipeline
from medpipe.runs.unit import Unit

_FLOAT32_BYTES: Final = 4


@dataclass(frozen=True)
class Shard:
    """Part ``index`` (from 1) of ``count`` parts of the units."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``i/n``.

        Raises:
            SettingsError: It is no such pair, or ``i`` is not in 1 to ``n``.
        """
        return cls(*parse_part(text, noun="shard", total="n"))

    def holds(self, unit_id: str) -> bool:
        """Whether a unit belongs to this part; the same on every machine."""
        number = int.from_bytes(hashlib.sha256(unit_id.encode()).digest()[:8])
        return number % self.count == self.index - 1


WHOLE: Final = Shard()
"""The only part there is."""


@dataclass(frozen=True)
class Plan:
    """The units of a run.

    Attributes:
        units: Ordered by id.
        studies: The study of each unit, in the same order.
        skipped: Files that are no images, with reasons.
        num_files: All files that were seen.
    """

    units: tuple[Unit, ...]
    studies: tuple[Study, ...]
    skipped: tuple[Skipped, ...]
    num_files: int

    @property
    def num_refused(self) -> int:
        """Units that are refused before any pixel is read."""
        return sum(unit.refusal is not None for unit in self.units)

    @property
    def bytes_to_read(self) -> int:
        """Size of the files that will be read."""
        return sum(chosen.series.num_bytes for unit in self.units for chosen in unit.inputs.values())

    @property
    def largest_image_bytes(self) -> int:
        """Memory of the largest image as float32."""
        sizes = [
            chosen.series.num_slices * chosen.series.size[0] * chosen.series.size[1] * _FLOAT32_BYTES
            for unit in self.units
            for chosen in unit.inputs.values()
        ]
        return max(sizes, default=0)


def plan_units(index: TreeIndex, pipeline: Pipeline, identity: Identity) -> Plan:
    """Choose the inputs of every study; a study without suitable input becomes a refused unit."""
    pairs = sorted(
        ((_unit(study, pipeline, identity), study) for study in index.studies), key=lambda pair: pair[0].id
    )
    return Plan(
        tuple(unit for unit, _ in pairs),
        tuple(study for _, study in pairs),
        index.skipped,
        index.num_files,
    )


def _unit(study: Study, pipeline: Pipeline, identity: Identity) -> Unit:
    unit_id = identity.study_id(study)
    label = study.paths[0] if study.paths else ""
    fingerprint = _fingerprint(study)
    try:
        inputs, notes = choose_inputs(study, pipeline.accepts)
    except RefusedError as error:
        return Unit(unit_id, label, refusal=error, fingerprint=fingerprint)
    return Unit(unit_id, label, inputs=inputs, notes=notes, fingerprint=fingerprint)


def _fingerprint(study: Study) -> str:
    """Hash names, sizes and times of the study's files: cheap, and enough to see a change."""
    digest = hashlib.sha256()
    for path in sorted(path for series in study.series for path in series.files):
        try:
            status = os.stat(path)
            digest.update(
                f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape")
            )
        except OSError:
            digest.update(f"{path}\0gone\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]
