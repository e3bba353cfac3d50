"""Commands over whole runs: run, status, retry, render."""

from typing import Annotated, Any, Literal

import typer

from medpipe.cli import options as opt
from medpipe.cli.screen import counted, print_json, print_table, progress_bars, say
from medpipe.cli.summaries import end, show_summary
from medpipe.runs.folder.state import State
from medpipe.runs.identity import Names
from medpipe.runs.options import RunOptions
from medpipe.runs.plan import Plan, Shard, UnitKind
from medpipe.runs.summary import status as run_status


def run(
    pipeline: Annotated[str, typer.Argument(help="Name of a pipeline, or a YAML file.", show_default=False)],
    inputs: opt.Inputs,
    output: opt.Output,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a parameter: stage.key=value.", show_default=False),
    ] = None,
    device: opt.Device = "auto",
    workers: opt.Workers = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    time_limit: opt.TimeLimit = None,
    shard: Annotated[str, typer.Option(help="Part i of n of the studies or shards, as i/n.")] = "1/1",
    update: Annotated[
        bool, typer.Option("--update", help="Bring studies of a changed pipeline up to date.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Index and show the plan; write nothing.")
    ] = False,
    names: Annotated[
        Names, typer.Option(help="Study names: keyed hashes, or original ones for de-identified data.")
    ] = Names.HASHED,
    group_by: Annotated[
        Literal["study", "folder"], typer.Option(help="What makes a study of NIfTI files and pictures.")
    ] = "study",
    key: opt.KeyFile = None,
    durable: opt.Durable = False,
    allow_refused: opt.AllowRefused = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Take every study or patient of folders through a pipeline; give the same command again to go on."""
    from medpipe.runs import runner

    chosen = RunOptions(
        device=device,
        workers=workers,
        seed=seed,
        time_limit_s=time_limit,
        durable=durable,
        update=update,
        shard=Shard.parse(shard),
        names=names,
        key=key,
        group_by=group_by,
    )
    with progress_bars(quiet=quiet) as progress:
        if dry_run:
            planned = runner.plan(
                pipeline, inputs, options=chosen, overrides=settings or (), progress=progress
            )
        else:
            summary = runner.run(
                pipeline, inputs, output, options=chosen, overrides=settings or (), progress=progress
            )
    if dry_run:
        show_plan(planned, as_json=as_json)
        return
    show_summary(summary, as_json=as_json, quiet=quiet)
    end(summary, allow_refused=allow_refused)


def status(output: opt.RunFolderArgument, as_json: opt.AsJson = False) -> None:
    """Say where a run stands: studies by state, and why some were refused or failed."""
    show_summary(run_status(output), as_json=as_json, quiet=False)


def retry(
    output: opt.RunFolderArgument,
    studies: Annotated[
        list[str] | None, typer.Argument(help="Study ids; all failed ones by default.", show_default=False)
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Refused studies too.")] = False,
    device: opt.Device = "auto",
    workers: opt.Workers = None,
    time_limit: opt.TimeLimit = None,
    key: opt.KeyFile = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Run failed studies again."""
    from medpipe.runs import runner

    states = (State.FAILED, State.REFUSED) if refused else (State.FAILED,)
    chosen = RunOptions(device=device, workers=workers, time_limit_s=time_limit, key=key)
    with progress_bars(quiet=quiet) as progress:
        summary = runner.retry(
            output, unit_ids=tuple(studies or ()), states=states, options=chosen, progress=progress
        )
    show_summary(summary, as_json=as_json, quiet=quiet)
    if summary.counts[State.REFUSED] and not (refused or studies or quiet):
        say("refused studies were left alone; --refused runs them again")
    end(summary)


def render(output: opt.RunFolderArgument, as_json: opt.AsJson = False) -> None:
    """Build the reports of a run again from its study folders, without reading an image."""
    from medpipe.runs.cohort import render as render_run

    show_summary(render_run(output), as_json=as_json, quiet=False)


def show_plan(planned: Plan, *, as_json: bool) -> None:
    """Print what a run would work on."""
    if planned.kind is UnitKind.SHARD:
        _show_shards(planned, as_json=as_json)
        return
    rows: list[dict[str, Any]] = [
        {
            "study": unit.id,
            "file": unit.label,
            "inputs": {
                role: f"{chosen.series.modality or 'image'} of {counted(chosen.series.num_slices, 'slice')}"
                for role, chosen in unit.inputs.items()
            },
            "refused": str(unit.refusal) if unit.refusal else "",
        }
        for unit in planned.units
    ]
    if as_json:
        print_json({"studies": rows, "bytes": planned.bytes_to_read, "files": planned.num_files})
        return
    print_table(
        ("study", "file", "inputs", "refused"),
        [
            (
                row["study"],
                row["file"],
                "; ".join(f"{k}: {v}" for k, v in row["inputs"].items()),
                row["refused"],
            )
            for row in rows
        ],
    )
    say(
        f"{counted(len(planned.units), 'study', 'studies')}, {planned.num_refused} of them refused; "
        f"{planned.bytes_to_read / 1e6:.1f} MB to read, "
        f"the largest image {planned.largest_image_bytes / 1e6:.1f} MB in memory; "
        f"{len(planned.skipped)} of {planned.num_files} files are no images. Nothing was written."
    )


def _show_shards(planned: Plan, *, as_json: bool) -> None:
    rows = [{"shard": unit.id, "holds": unit.label} for unit in planned.units]
    if as_json:
        print_json({"shards": rows, "bytes": planned.bytes_to_read, "files": planned.num_files})
        return
    print_table(("shard", "holds"), [(row["shard"], row["holds"]) for row in rows])
    say(
        f"{counted(planned.num_patients or 0, 'patient')} in {counted(len(rows), 'shard')} from "
        f"{counted(planned.num_files, 'file')}, {planned.bytes_to_read / 1e6:.1f} MB. Nothing was written."
    )
