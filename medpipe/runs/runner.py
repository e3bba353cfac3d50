"""The runner: takes every study of a tree through a pipeline, and goes on where a run stopped."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import SettingsFile
from medpipe.io.study_folder import Provenance
from medpipe.runs.cohort import write_cohort_pages
from medpipe.runs.folder.book import Progress, StateBook
from medpipe.runs.folder.lease import Leases, now_iso
from medpipe.runs.folder.preparation import note_vanished, sweep, write_listing
from medpipe.runs.folder.run_folder import (
    RunFolder,
    RunListing,
    RunRecord,
    check_continuation,
    library_versions,
    medpipe_version,
)
from medpipe.runs.folder.state import State
from medpipe.runs.identity import Identity, Names, load_key
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import DERIVED_KEYS, Pipeline, PipelineInput, build_pipeline, read_pipeline
from medpipe.runs.plan import Plan
from medpipe.runs.planning.planner import Planner
from medpipe.runs.planning.records import RecordPlanner
from medpipe.runs.planning.studies import StudyPlanner
from medpipe.runs.summary import RunSummary, summarise
from medpipe.runs.unit import Unit
from medpipe.runs.workers.device import choose_devices, num_cores
from medpipe.runs.workers.messages import ProcessorSettings
from medpipe.runs.workers.outcome import stop_at_machine_fault
from medpipe.runs.workers.pool import PoolSettings, WorkerPool


def plan(
    pipeline: str | Path | Pipeline,
    inputs: Sequence[str | Path],
    *,
    options: RunOptions | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Plan:
    """Index the inputs and say what a run would do, without writing anything but the user's key."""
    options = options or RunOptions()
    resolved = _resolve(pipeline, overrides)
    paths = [Path(path) for path in inputs]
    identity = Identity(load_key(options.key), options.names)
    return _planner(resolved, paths, options, identity, progress).preview()


def run(
    pipeline: str | Path | Pipeline,
    inputs: Sequence[str | Path],
    output: str | Path,
    *,
    options: RunOptions | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> RunSummary:
    """Take every study of the inputs through a pipeline.

    Studies that are finished are left alone, so the same call again goes on where it stopped.

    Args:
        pipeline: Name, file, or a pipeline that was read already.
        inputs: Files and folders; nothing in them is changed.
        output: Run folder, made when it does not exist.
        options: How to work.
        overrides: ``stage.key=value``.
        progress: Called as the work goes on.

    Returns:
        Where the run stands at the end.

    Raises:
        SettingsError: The pipeline or options are wrong, or the folder belongs to another run.
        MachineError: The disk is full, the device is absent, a worker cannot start.
    """
    options = options or RunOptions()
    folder = RunFolder(Path(output), durable=options.durable)
    return _run(_resolve(pipeline, overrides), [Path(path) for path in inputs], folder, options, progress)


def _run(
    pipeline: Pipeline,
    inputs: Sequence[Path],
    folder: RunFolder,
    options: RunOptions,
    progress: Progress | None,
    *,
    forget: Iterable[str] = (),
) -> RunSummary:
    """Run, as if the units to ``forget`` had never been begun."""
    _check_time_limit(options)
    devices = choose_devices(options.device, options.workers)
    identity = Identity(load_key(options.key), options.names)
    planner = _planner(pipeline, inputs, options, identity, progress)
    if folder.exists():
        older = folder.read_record()
        planner.join(folder, [Path(path) for path in older.inputs])
        record = _record(pipeline, planner.inputs, options, identity, devices)
        check_continuation(record, older, pipeline, update=options.update)
    else:
        folder.check_new()
        record = _record(pipeline, planner.inputs, options, identity, devices)
    planner.check()
    folder.create(record)
    planned = planner.plan(folder)
    for unit_id in forget:
        folder.states.path(unit_id).unlink(missing_ok=True)
    listing = write_listing(folder, planned)
    try:
        _work(_Job(folder, pipeline, planned, options, devices, listing, progress))
    finally:
        summary = summarise(folder)
        write_cohort_pages(folder, summary.states.values(), listing)
    return summary


def retry(
    output: str | Path,
    *,
    unit_ids: Sequence[str] = (),
    states: Sequence[State] = (State.FAILED,),
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Run failed studies again.

    Args:
        output: Run folder.
        unit_ids: Studies to run again, whatever their state; empty for all in ``states``.
        states: States to run again.
        options: How to work; seed, naming and grouping are the run's own.
        progress: Called as the work goes on.

    Raises:
        SettingsError: The folder holds no run, or no such study.
    """
    folder = RunFolder(Path(output))
    record = folder.read_record()
    known = summarise(folder).states
    unknown = [unit_id for unit_id in unit_ids if unit_id not in known]
    if unknown:
        raise SettingsError(
            Code.E_SETTINGS, "The run has no such study", found=unknown[0], fix="See 'medpipe status'."
        )
    chosen = unit_ids or [unit_id for unit_id, state in known.items() if state.state in states]
    options = replace(
        options or RunOptions(),
        seed=record.seed,
        names=Names(record.names),
        group_by="folder" if record.group_by == "folder" else "study",
        shard_patients=record.shard_patients or RunOptions().shard_patients,
    )
    folder = RunFolder(folder.path, durable=options.durable)
    inputs = [Path(path) for path in record.inputs]
    return _run(recorded_pipeline(record), inputs, folder, options, progress, forget=chosen)


def recorded_pipeline(record: RunRecord) -> Pipeline:
    """Return the pipeline of a run as it was resolved."""
    stages = [
        {key: value for key, value in stage.items() if key not in DERIVED_KEYS}
        for stage in record.pipeline["stages"]
    ]
    return build_pipeline(SettingsFile("run.json", {**record.pipeline, "stages": stages}, {}))


@dataclass(frozen=True)
class _Job:
    """What one run works on."""

    folder: RunFolder
    pipeline: Pipeline
    plan: Plan
    options: RunOptions
    devices: tuple[str, ...]
    listing: RunListing
    progress: Progress | None


def _work(job: _Job) -> None:
    leases = Leases(job.folder.path / "state")
    try:
        sweep(job.folder, leases)
        note_vanished(job.folder, job.listing, job.plan)
        results_key = f"{job.pipeline.key()}-{job.options.seed}"
        book = StateBook(job.folder.states, leases, results_key=results_key, progress=job.progress)
        todo = [
            unit
            for unit in job.plan.units
            if job.options.shard.holds(unit.id, unit.number) and not book.is_current(unit)
        ]
        book.expect(len(todo))
        if job.options.workers == 0:
            _work_here(_processing(job), todo, book)
        elif todo:
            pool = WorkerPool(_pool_settings(job), _processing(job), on_begin=book.begin, on_end=book.end)
            pool.run(todo)
    finally:
        leases.close()


def _work_here(processing: ProcessorSettings, units: Iterable[Unit], book: StateBook) -> None:
    """Work in this process: for few studies, where starting a worker would take longer."""
    from medpipe.runs.workers.processor import Processor

    processor = Processor(processing)
    processor.open()
    for unit in units:
        if book.begin(unit, 1, processing.device):
            outcome = processor.process(unit)
            stop_at_machine_fault(outcome)
            book.end(unit, 1, processing.device, outcome)


def _check_time_limit(options: RunOptions) -> None:
    if options.time_limit_s is None:
        return
    if not options.time_limit_s > 0:
        raise SettingsError(
            Code.E_SETTINGS,
            "A time limit is a number of seconds above 0",
            found=f"{options.time_limit_s:g}",
            fix="Leave it out for no limit.",
        )
    if options.workers == 0:
        raise SettingsError(
            Code.E_SETTINGS, "A time limit needs worker processes", found="0 workers", fix="Use --workers 1."
        )


def _resolve(pipeline: str | Path | Pipeline, overrides: Sequence[str]) -> Pipeline:
    return pipeline if isinstance(pipeline, Pipeline) else read_pipeline(pipeline, overrides=overrides)


def _planner(
    pipeline: Pipeline,
    inputs: Sequence[Path],
    options: RunOptions,
    identity: Identity,
    progress: Progress | None,
) -> Planner:
    if pipeline.input is PipelineInput.RECORDS:
        return RecordPlanner(inputs, options, identity, progress)
    return StudyPlanner(pipeline, inputs, options, identity, progress)


def _record(
    pipeline: Pipeline,
    inputs: Sequence[Path],
    options: RunOptions,
    identity: Identity,
    devices: Sequence[str],
) -> RunRecord:
    return RunRecord(
        pipeline=pipeline.resolved(),
        inputs=tuple(str(path) for path in inputs),
        names=options.names.value,
        key_fingerprint=identity.fingerprint,
        group_by=options.group_by,
        seed=options.seed,
        shard_patients=options.shard_patients if pipeline.input is PipelineInput.RECORDS else None,
        medpipe=medpipe_version(),
        libraries=library_versions(),
        started=now_iso(),
        host=socket.gethostname(),
        device=", ".join(dict.fromkeys(devices)),
    )


def _processing(job: _Job) -> ProcessorSettings:
    return ProcessorSettings(
        pipeline=job.pipeline,
        studies=job.folder.studies,
        work=job.folder.work,
        device=job.devices[0],
        seed=job.options.seed,
        provenance=Provenance(
            pipeline=job.pipeline.name, medpipe=medpipe_version(), libraries=library_versions()
        ),
        durable=job.options.durable,
    )


def _pool_settings(job: _Job) -> PoolSettings:
    options = job.options
    return PoolSettings(
        devices=job.devices,
        threads=max(1, num_cores() // len(job.devices)),
        logs=job.folder.logs,
        time_limit_s=options.time_limit_s,
        max_attempts=options.max_attempts,
    )
