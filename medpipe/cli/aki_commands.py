"""The command aki: health records to risks of kidney injury, step by step."""

from typing import Annotated, Literal

import typer

from medpipe.cli import options as opt
from medpipe.cli.run_commands import show_plan
from medpipe.cli.screen import progress_bars, say
from medpipe.cli.summaries import end, show_summary
from medpipe.runs.identity import Names
from medpipe.runs.options import RunOptions
from medpipe.runs.plan import Shard


def aki(
    records: opt.Records,
    output: opt.Output,
    package: Annotated[
        str,
        typer.Option(help="Model package: a name, or a folder such as ./packages/aki."),
    ] = "aki-icu",
    predicates: Annotated[
        str | None,
        typer.Option(
            help="Meanings of the source's codes: a name or a YAML file; by its form by default.",
            show_default=False,
        ),
    ] = None,
    horizon: Annotated[
        float | None,
        typer.Option(
            help="Hours ahead that alerts are of; the package's own by default.", min=0.0, show_default=False
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Least risk of an alert; the package's by default.", min=0.0, max=1.0, show_default=False
        ),
    ] = None,
    refractory_h: Annotated[
        float, typer.Option("--refractory-h", help="Hours after an alert without another.", min=0.0)
    ] = 24.0,
    max_per_day: Annotated[
        int | None,
        typer.Option(help="Most alerts of a stay within 24 hours.", min=1, show_default=False),
    ] = None,
    patient: Annotated[
        list[str] | None,
        typer.Option(
            help="Patient who gets a trajectory and a page in any case; repeat.", show_default=False
        ),
    ] = None,
    pages: Annotated[
        int, typer.Option(help="Alerted stays of a shard that get them, highest risk first.", min=0)
    ] = 50,
    fhir: Annotated[
        bool, typer.Option("--fhir", help="Write FHIR R4 RiskAssessment beside each page.")
    ] = False,
    outcome: Annotated[
        Literal["package", "source", "none"],
        typer.Option(help="Labels of the predictions: by the package's own rule, the source's, none."),
    ] = "package",
    shard_patients: Annotated[int, typer.Option(help="Patients a shard.", min=1)] = 1000,
    shard: Annotated[str, typer.Option(help="Part i of n of the shards, as i/n.")] = "1/1",
    device: opt.Device = "auto",
    workers: opt.WorkersOfStage = 0,
    time_limit: opt.TimeLimit = None,
    update: Annotated[
        bool, typer.Option("--update", help="Bring shards of other parameters up to date.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the records and count; write nothing.")
    ] = False,
    names: Annotated[
        Names, typer.Option(help="Patients: keyed hashes, or original ids for de-identified data.")
    ] = Names.HASHED,
    key: opt.KeyFile = None,
    durable: opt.Durable = False,
    allow_refused: opt.AllowRefused = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Forecast kidney injury for every patient of health records: risks, maxima of labs, alerts, pages."""
    from medpipe.runs import runner
    from medpipe.runs.kidney_shards.run import aki_pipeline, run_names
    from medpipe.runs.kidney_shards.totals import read_stays

    chosen = RunOptions(
        device=device,
        workers=workers,
        time_limit_s=time_limit,
        durable=durable,
        update=update,
        shard=Shard.parse(shard),
        names=names,
        key=key,
        shard_patients=shard_patients,
    )
    named = dict(zip(run_names(patient or [], chosen), patient or [], strict=True))
    pipeline = aki_pipeline(
        {
            "package": package,
            "predicates": predicates,
            "horizon_h": horizon,
            "threshold": threshold,
            "refractory_h": refractory_h,
            "max_per_day": max_per_day,
            "patients": list(named),
            "pages": pages,
            "fhir": fhir,
            "outcome": outcome,
        }
    )
    with progress_bars(quiet=quiet) as progress:
        if dry_run:
            planned = runner.plan(pipeline, [records], options=chosen, progress=progress)
        else:
            summary = runner.run(pipeline, [records], output, options=chosen, progress=progress)
    if dry_run:
        show_plan(planned, as_json=as_json)
        return
    show_summary(summary, as_json=as_json, quiet=quiet)
    if named and not quiet:
        with_a_stay = {row["subject_id"] for _, row in read_stays(summary.folder / "studies")}
        for name in named.keys() - with_a_stay:
            say(f"no page for --patient {named[name]}: no finished shard holds a stay of that patient")
    end(summary, allow_refused=allow_refused)
