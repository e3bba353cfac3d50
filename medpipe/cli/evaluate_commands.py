"""Commands that judge models: evaluate segment, evaluate aki."""

from pathlib import Path
from typing import Annotated, Any

import typer

from medpipe.cli import options as opt
from medpipe.cli.screen import print_json, print_table, progress_bars, say
from medpipe.cli.train_commands import Data, Scores
from medpipe.cli.training import show_figures
from medpipe.runs.stages.segment import SegmentParams

app = typer.Typer(help="Evaluate models on your own data.", no_args_is_help=True)


def _as_in_segment(name: str, *, least: float | None = None) -> Any:
    """Return the option of a parameter that the stage ``segment`` has too."""
    return typer.Option(help=SegmentParams.model_fields[name].description, min=least)


@app.command("segment")
def evaluate_segment(
    package: Annotated[str, typer.Argument(help="Name or folder of a model package.", show_default=False)],
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for scores and pictures.", show_default=False)
    ],
    splits: Annotated[
        Path | None, typer.Option(help="File of splits; every case by default.", show_default=False)
    ] = None,
    part: Annotated[str, typer.Option(help="Part of the split: train, validation or test.")] = "validation",
    fold: Annotated[int, typer.Option(help="Fold of the split file, from 1.")] = 1,
    scores: Scores = None,
    tolerance_mm: Annotated[
        float, typer.Option(help="Tolerance of the normalised surface Dice (NSD) in mm.", min=0.0)
    ] = 1.0,
    largest: Annotated[bool, _as_in_segment("largest")] = False,
    min_object_ml: Annotated[float, _as_in_segment("min_object_ml", least=0.0)] = 0.0,
    max_objects: Annotated[int, _as_in_segment("max_objects", least=0)] = 0,
    fill_holes: Annotated[bool, _as_in_segment("fill_holes")] = False,
    device: opt.Device = "auto",
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Score a segmentation package against masks, cleaned as by `segment`; draw the worst cases."""
    from medpipe.runs.evaluate_segmentation import EvaluationRequest, evaluate_segmentation
    from medpipe.runs.workers.device import choose_devices
    from medpipe.tasks.cleaning import Cleaning
    from medpipe.training.card import figure_rows
    from medpipe.training.segmentation.workflow import read_cases

    request = EvaluationRequest(
        package,
        splits=splits,
        part=part,
        fold=fold,
        device=choose_devices(device, 1)[0],
        tolerance_mm=tolerance_mm,
        cleaning=Cleaning(largest, min_object_ml, max_objects, fill_holes),
    )
    with progress_bars(quiet=quiet) as progress:
        figures = evaluate_segmentation(request, read_cases(data, facts=scores), output, progress=progress)
    if as_json:
        print_json(figure_rows(figures))
        return
    show_figures(figures)
    if not quiet:
        say(f"scores: {output / 'scores.csv'}; worst cases: {output / 'worst'}")


@app.command("aki")
def evaluate_aki(
    predictions: Annotated[
        Path,
        typer.Argument(help="Parquet file of predicted risks, or a run of medpipe aki.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tables and page.", show_default=False)
    ],
    horizon: Annotated[
        int | None,
        typer.Option(
            help="Hours ahead that alerts are of; 48 by default, or the largest.", show_default=False
        ),
    ] = None,
    stage: Annotated[
        int | None,
        typer.Option(help="Stage that alerts are of, where the file has several.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Of an alert; found at a step precision of 33 % by default.",
            min=0.0,
            max=1.0,
            show_default=False,
        ),
    ] = None,
    refractory_h: Annotated[
        float, typer.Option("--refractory-h", help="Hours between two alerts of a patient.", min=0.0)
    ] = 24.0,
    max_per_day: Annotated[
        int | None,
        typer.Option(help="Most alerts of a patient within 24 hours.", min=1, show_default=False),
    ] = None,
    min_positive: Annotated[
        int, typer.Option(help="Least patients with a positive step of a subgroup with figures.", min=1)
    ] = 10,
    resamples: Annotated[int, typer.Option(help="Draws of patients for the intervals.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0)] = 0,
    with_meds: Annotated[
        bool, typer.Option("--meds", help="Write the predictions for meds-evaluation too.")
    ] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Judge predicted risks of kidney injury: episodes found, alerts, calibration, subgroups."""
    from medpipe.metrics.estimates import Draws
    from medpipe.runs.aki_evaluation.evaluate import PAGE
    from medpipe.runs.aki_evaluation.evaluate import evaluate_aki as evaluate
    from medpipe.runs.aki_evaluation.results import AkiEvaluationRequest

    request = AkiEvaluationRequest(
        horizon_h=horizon,
        stage=stage,
        threshold=threshold,
        refractory_h=refractory_h,
        max_per_day=max_per_day,
        min_positive_patients=min_positive,
        draws=Draws(seed, resamples),
    )
    tables = evaluate(predictions, output, request, with_meds=with_meds)
    if as_json:
        print_json({table.name: table.data() for table in tables})
        return
    for table in tables:
        print_table([column.heading for column in table.columns], table.texts(), title=table.title)
    if not quiet:
        say(f"page: {output / PAGE}; tables: {output}")
