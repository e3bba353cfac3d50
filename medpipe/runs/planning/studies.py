"""Studies as units of work: every study of an index, with the inputs that were chosen from it."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medpipe.core.errors import RefusedError
from medpipe.io.series import Study, TreeIndex
from medpipe.io.tree import index_tree
from medpipe.runs.choice import choose_inputs
from medpipe.runs.folder.book import Progress
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.identity import Identity, mapping_csv, write_secret
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import Pipeline
from medpipe.runs.plan import Plan
from medpipe.runs.planning.planner import Planner
from medpipe.runs.unit import Unit

_FLOAT32_BYTES: Final = 4


@dataclass(frozen=True)
class _Planned:
    plan: Plan
    studies: tuple[Study, ...]
    """The study of each unit, in the same order."""


class StudyPlanner(Planner):
    """Indexes trees of images; a folder of several calls keeps the studies of all of them."""

    def __init__(
        self,
        pipeline: Pipeline,
        inputs: Sequence[Path],
        options: RunOptions,
        identity: Identity,
        progress: Progress | None,
    ) -> None:
        self._pipeline = pipeline
        self._inputs = tuple(path.absolute() for path in inputs)
        self._options = options
        self._identity = identity
        self._progress = progress
        self._planned: _Planned | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files and folders."""
        return self._inputs

    def join(self, folder: RunFolder, older: Sequence[Path]) -> None:
        """Add what is still there of the earlier inputs."""
        known = self._inputs
        self._inputs += tuple(path for path in older if path.exists() and path not in known)

    def check(self) -> None:
        """Index the inputs."""
        self._read()

    def preview(self) -> Plan:
        """Return the plan of the index."""
        return self._read().plan

    def plan(self, folder: RunFolder) -> Plan:
        """Return the plan of the index."""
        planned = self._read()
        pairs = zip((unit.id for unit in planned.plan.units), planned.studies, strict=True)
        mapping = folder.path / "mapping.csv"
        write_secret(mapping, mapping_csv(pairs, self._identity, older=mapping))
        return planned.plan

    def _read(self) -> _Planned:
        if self._planned is None:
            index = index_tree(self._inputs, group_by=self._options.group_by, progress=self._report)
            self._planned = _plan_studies(index, self._pipeline, self._identity)
        return self._planned

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress("index", done, total)


def _plan_studies(index: TreeIndex, pipeline: Pipeline, identity: Identity) -> _Planned:
    """Choose the inputs of every study; a study without suitable input becomes a refused unit."""
    pairs = sorted(
        ((_unit(study, pipeline, identity), study) for study in index.studies), key=lambda pair: pair[0].id
    )
    units = tuple(unit for unit, _ in pairs)
    series = [chosen.series for unit in units for chosen in unit.inputs.values()]
    sizes = [item.num_slices * item.size[0] * item.size[1] * _FLOAT32_BYTES for item in series]
    plan = Plan(
        units,
        index.skipped,
        index.num_files,
        bytes_to_read=sum(item.num_bytes for item in series),
        largest_image_bytes=max(sizes, default=0),
    )
    return _Planned(plan, tuple(study for _, study in pairs))


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
