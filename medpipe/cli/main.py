"""The shell's entry: one Typer app, one boundary where errors become exit codes."""

import logging
import signal
import sys
from typing import Annotated, NoReturn

import typer

from medpipe.cli import (
    aki_commands,
    augment_commands,
    config_commands,
    doctor,
    embed_commands,
    evaluate_commands,
    models_commands,
    run_commands,
    sample_commands,
    scan_commands,
    train_commands,
)
from medpipe.cli.exit_codes import Exit, exit_of_error
from medpipe.cli.screen import say, say_error
from medpipe.core.codes import Code
from medpipe.core.errors import MachineError, MedpipeError
from medpipe.core.findings import NOT_FOR_DIAGNOSIS
from medpipe.runs.stages.classify import Classify
from medpipe.runs.stages.load import Load
from medpipe.runs.stages.measure import Measure
from medpipe.runs.stages.report import Report
from medpipe.runs.stages.segment import Segment

app = typer.Typer(
    name="medpipe",
    help=f"From the bytes of medical images and records to findings and reports.\n\n{NOT_FOR_DIAGNOSIS}.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SCANS = "Scans"
_RECORDS = "Health records"
_RUNS = "Runs"
_MODELS = "Models"
_AROUND = "Around"

app.command(rich_help_panel=_SCANS)(scan_commands.index)
app.command(rich_help_panel=_SCANS)(scan_commands.validate)
for _stage, _summary, _defaults in (
    (Load, "Read scans and prove their geometry; write each volume as NIfTI.", {"save": True}),
    (Measure, "Measure body volume, intensities, air and bone, without a learned model.", {}),
    (Classify, "Answer a model package's questions about studies of slices; curves and a report.", {}),
    (Segment, "Segment structures with a model package; volumes and a report.", {}),
    (Report, "Go from images to findings and an HTML report.", {}),
):
    app.command(_stage.name, rich_help_panel=_SCANS)(
        scan_commands.stage_command(_stage, _summary, **_defaults)
    )
app.command(rich_help_panel=_SCANS)(augment_commands.augment)
app.command(rich_help_panel=_RECORDS)(aki_commands.aki)
app.command(rich_help_panel=_RUNS)(run_commands.run)
app.command(rich_help_panel=_RUNS)(run_commands.status)
app.command(rich_help_panel=_RUNS)(run_commands.retry)
app.command(rich_help_panel=_RUNS)(run_commands.render)
app.command(rich_help_panel=_AROUND)(sample_commands.demo)
app.command(rich_help_panel=_AROUND)(sample_commands.sample)
app.command(rich_help_panel=_AROUND)(doctor.doctor)
app.add_typer(train_commands.app, name="train", rich_help_panel=_MODELS)
app.add_typer(evaluate_commands.app, name="evaluate", rich_help_panel=_MODELS)
app.add_typer(embed_commands.app, name="embed", rich_help_panel=_MODELS)
app.add_typer(models_commands.app, name="models", rich_help_panel=_MODELS)
app.add_typer(config_commands.app, name="config", rich_help_panel=_AROUND)


def _print_version(wanted: bool) -> None:
    if wanted:
        from medpipe.runs.folder.run_folder import medpipe_version

        typer.echo(medpipe_version())
        raise typer.Exit


@app.callback()
def _common(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log to standard error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR,
        stream=sys.stderr,
        format="%(levelname)s %(message)s",
    )


def main() -> NoReturn:
    """Run the command line; errors end in words on standard error and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except MedpipeError as error:
        say_error(error)
        sys.exit(exit_of_error(error))
    except OSError as error:
        # A disk or pipe that failed where nobody could say more about it.
        say_error(
            MachineError(
                Code.E_DISK,
                f"Cannot read or write {error.filename or 'the output'}",
                found=error.strerror or str(error),
                fix="Correct the path or the permissions, or free space, then run the same command again.",
            )
        )
        sys.exit(Exit.MACHINE)
    except _Interrupted:
        say("interrupted; the same command goes on where it stopped")
        sys.exit(Exit.INTERRUPTED)
    sys.exit(Exit.OK)


class _Interrupted(BaseException):
    """Ctrl-C or SIGTERM; Typer would end the process in silence at a KeyboardInterrupt."""


def _interrupt(number: int, frame: object) -> None:
    raise _Interrupted


if __name__ == "__main__":
    main()
