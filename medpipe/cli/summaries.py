"""What a run came to, in words, as a table and as JSON."""

from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from medpipe.cli.exit_codes import exit_of_counts
from medpipe.cli.screen import counted, print_json, print_table, say
from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError
from medpipe.runs.folder.state import State
from medpipe.runs.plan import UnitKind
from medpipe.runs.summary import RunSummary

if TYPE_CHECKING:
    from medpipe.runs.kidney_shards.totals import KidneyTotals

_SHOWN: Final = 20


def show_summary(summary: RunSummary, *, as_json: bool, quiet: bool) -> None:
    """Print the states of a run, the reasons of those that need attention, and where to look."""
    if as_json:
        print_json(summary_data(summary))
        return
    kind = summary.kind
    print_table(("state", kind.plural), [(state.value, count) for state, count in summary.counts.items()])
    attention = [state for state in summary.states.values() if state.state in (State.REFUSED, State.FAILED)]
    if attention:
        print_table(
            (kind.value, "state", "code", "why", "file" if kind is UnitKind.STUDY else "holds"),
            [
                (item.id, item.state.value, item.reasons[0].code.value, item.reasons[0].message, item.label)
                for item in attention[:_SHOWN]
            ],
        )
    totals = _totals(summary)
    if totals is not None:
        print_table(("records", "number"), totals.rows_for_people())
    if quiet:
        return
    if len(attention) > _SHOWN:
        say(f"and {len(attention) - _SHOWN} more; see the page")
    if kind is UnitKind.SHARD:
        _say_shards(summary, totals)
    else:
        say(
            f"{counted(summary.num_units, 'study', 'studies')} from {counted(summary.num_files, 'file')}, "
            f"{summary.num_skipped} of them no images"
        )
    if summary.index_page.exists():
        say(f"page: {summary.index_page}")


def _totals(summary: RunSummary) -> "KidneyTotals | None":
    if summary.kind is not UnitKind.SHARD:
        return None
    from medpipe.runs.kidney_shards.totals import read_totals

    return read_totals(summary.folder / "studies")


def _say_shards(summary: RunSummary, totals: "KidneyTotals | None") -> None:
    from medpipe.runs.kidney_shards.pages import STAYS_PAGE

    say(
        f"{counted(summary.num_patients or 0, 'patient')} in {counted(summary.num_units, 'shard')} from "
        f"{counted(summary.num_files, 'file')}"
    )
    if totals is None:
        return
    say(f"an alert: {totals.policy}")
    flags = [
        f"flagged: {state.id}: {reason.code}: {reason.message}"
        for state in summary.states.values()
        if state.state is State.FLAGGED
        for reason in state.reasons
    ]
    for flag in flags[:_SHOWN]:
        say(flag)
    if len(flags) > _SHOWN:
        say(f"and {len(flags) - _SHOWN} more; see the page")
    for patient, code, message in totals.refused[:_SHOWN]:
        say(f"refused: {patient}: {code}: {message}")
    if len(totals.refused) > _SHOWN:
        say(f"and {len(totals.refused) - _SHOWN} more; see the page of the stays")
    if (summary.folder / STAYS_PAGE).exists():
        say(f"page of the stays: {summary.folder / STAYS_PAGE}")


def end(summary: RunSummary, *, allow_refused: bool = False) -> NoReturn:
    """End a command with the exit code of a run.

    Raises:
        NoInputError: The run has no study, or no patient.
    """
    if not summary.num_units and summary.kind is UnitKind.SHARD:
        raise NoInputError(
            Code.E_NO_INPUT,
            "The records hold no patient",
            found=counted(summary.num_files, "file"),
            fix="Name records with rows of patients; the same output folder may be given again.",
        )
    if not summary.num_units:
        raise no_study(summary.num_files)
    raise typer.Exit(exit_of_counts(summary.counts, allow_refused=allow_refused))


def no_study(num_files: int) -> NoInputError:
    """Return the error of inputs that hold no image."""
    return NoInputError(
        Code.E_NO_INPUT,
        "No readable study was found",
        found=f"{counted(num_files, 'file')}, none of them an image" if num_files else "no files",
        fix="Name files or folders with DICOM, NIfTI, PNG or JPEG; 'medpipe index --json' says why not. "
        "Health records go to 'medpipe aki'.",
    )


def summary_data(summary: RunSummary) -> dict[str, Any]:
    """Return a summary as plain data for ``--json``."""
    totals = _totals(summary)
    return {
        "run": str(summary.folder),
        "page": str(summary.index_page),
        "counts": {state.value: count for state, count in summary.counts.items()},
        "files": summary.num_files,
        "skipped_files": summary.num_skipped,
        **({"kidney": totals.data()} if totals is not None else {}),
        summary.kind.plural: [
            state.model_dump(mode="json", include={"id", "label", "state", "stage", "reasons", "values"})
            for state in summary.states.values()
        ],
    }
