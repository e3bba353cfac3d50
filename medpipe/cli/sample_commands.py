"""Commands that make sample data and show medpipe at work: sample, demo."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from medpipe.cli import options as opt
from medpipe.cli.exit_codes import Exit
from medpipe.cli.screen import print_json, print_table, progress_bars, say
from medpipe.cli.summaries import show_summary, summary_data
from medpipe.runs.folder.state import State
from medpipe.runs.summary import RunSummary


def sample(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write into; made when absent.", show_default=False)
    ],
    faults: Annotated[
        bool, typer.Option("--faults", help="Every kind of broken file, not only a handful.")
    ] = False,
    many: Annotated[int, typer.Option(help="Further small CT studies, for batch runs.")] = 0,
    brains: Annotated[
        int, typer.Option(help="Simulated brains with masks and an MMSE, as a data set to train on.")
    ] = 0,
    head_cts: Annotated[
        int,
        typer.Option(help="Simulated head CTs with bleeds and mass effect, as a data set to train on."),
    ] = 0,
    ward: Annotated[
        int,
        typer.Option(
            help="Simulated stays in hospital with labs, drugs and kidney injury, as a data set to train on."
        ),
    ] = 0,
) -> None:
    """Write sample studies: the MNI152 brain, simulated CT with gantry tilt, broken files."""
    from medpipe.simulate.sample import write_sample

    write_sample(folder, faults=faults, many=many, brains=brains, head_cts=head_cts, ward=ward)
    say(f"sample data: {folder}")


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for data and results.")] = Path(
        "demo_output"
    ),
    workers: opt.Workers = None,
    as_json: opt.AsJson = False,
) -> None:
    """Run 'measure' over sample studies, good and broken, and 'hippocampus' over a real head."""
    from medpipe.runs.options import RunOptions
    from medpipe.runs.runner import run
    from medpipe.simulate.sample import MNI_FOLDER, write_sample

    with tempfile.TemporaryDirectory() as scratch, progress_bars() as progress:
        scans = Path(scratch) / "scans"
        say("Writing sample studies ...")
        write_sample(scans)
        say("Running the pipeline 'measure' ...")
        options = RunOptions(workers=workers)
        summary = run("measure", [scans], output / "run", options=options, progress=progress)
        say("Running the pipeline 'hippocampus' on the MNI152 brain ...")
        head = run(
            "hippocampus",
            [scans / MNI_FOLDER],
            output / "hippocampus",
            options=RunOptions(workers=0),
            progress=progress,
        )
    if as_json:
        print_json({"measure": summary_data(summary), "hippocampus": summary_data(head)})
    else:
        _show_values(summary)
        show_summary(summary, as_json=False, quiet=False)
        _show_sides(head)
    if not all(_finished(item) for item in (summary, head)):
        raise typer.Exit(Exit.ALL_FAILED)


def _show_values(summary: RunSummary) -> None:
    """Print the first value of each finished study."""
    rows = [
        (item.label, item.state.value, value.name, f"{value.value:.1f}", value.unit)
        for item in summary.states.values()
        if item.state in (State.DONE, State.FLAGGED)
        for value in item.values[:1]
    ]
    print_table(("study", "state", "finding", "value", "unit"), sorted(rows))


def _show_sides(summary: RunSummary) -> None:
    """Print the volumes of both sides in each finished study, and where its report lies."""
    from medpipe.io.study_folder import REPORT, StudyFolder
    from medpipe.reports.sides import side_rows

    for item in summary.states.values():
        if item.state not in (State.DONE, State.FLAGGED):
            continue
        study = StudyFolder(summary.folder / "studies" / item.id)
        rows = [(row.name, row.left, row.right, row.asymmetry) for row in side_rows(study.findings.findings)]
        print_table(("volume", "left", "right", "asymmetry"), rows)
        say(f"report: {study.path / REPORT}")


def _finished(summary: RunSummary) -> int:
    """Return how many studies have results."""
    return summary.counts[State.DONE] + summary.counts[State.FLAGGED]
