"""Commands that make and judge models: train segment, evaluate segment."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from medpipe.cli import options as opt
from medpipe.cli.screen import print_json, print_table, progress_bars, say
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.runs.stages.segment import SegmentParams

train_app = typer.Typer(help="Train models on your own data.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Evaluate models on your own data.", no_args_is_help=True)

Data = Annotated[
    Path,
    typer.Argument(
        help="Data set: a Decathlon folder or dataset.json, a CSV table, a BIDS derivative.",
        show_default=False,
    ),
]

Scores = Annotated[
    Path | None,
    typer.Option(
        help="CSV with a column id and one a score, where the data set has no such columns.",
        show_default=False,
    ),
]


TrainingFolder = Annotated[
    Path,
    typer.Option("--output", "-o", help="Training folder; the same again goes on.", show_default=False),
]
DataLicence = Annotated[str, typer.Option(help="Licence of the data, for the card.", show_default=False)]
Licence = Annotated[str, typer.Option(help="SPDX identifier of the package's licence.")]
Limits = Annotated[str, typer.Option(help="What the model has not seen, for the card.")]
PackageVersion = Annotated[str, typer.Option(help="Version of the package.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change the recipe: part.key=value.", show_default=False)
]
FoldOption = Annotated[str, typer.Option(help="Fold i of k, as i/k; 1/1 for a single split.")]
ValidationShare = Annotated[float, typer.Option(help="Share of patients kept for validation; 0 for none.")]
FiguresFrom = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of a finished fold, once for each: pooled figures for a training on all cases.",
        show_default=False,
    ),
]
DataWorkers = Annotated[int, typer.Option(help="Processes that prepare what is learned from.")]


def _as_in_segment(name: str, *, least: float | None = None) -> Any:
    """Return the option of a parameter that the stage ``segment`` has too."""
    return typer.Option(help=SegmentParams.model_fields[name].description, min=least)


@train_app.command("segment")
def train_segment(
    recipe: Annotated[Path, typer.Argument(help="Training recipe, a YAML file.", show_default=False)],
    data: Data,
    output: TrainingFolder,
    data_licence: DataLicence,
    licence: Licence = "Apache-2.0",
    limits: Limits = "Not studied yet.",
    package_version: PackageVersion = "0.1.0",
    settings: Settings = None,
    fold: FoldOption = "1/1",
    validation: ValidationShare = 0.2,
    figures_from: FiguresFrom = None,
    scores: Scores = None,
    device: opt.Device = "auto",
    data_workers: DataWorkers = 0,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Train a segmentation network, evaluate it on cases kept aside, and package it."""
    from medpipe.runs.workers.device import choose_devices
    from medpipe.training.card import PackageFacts
    from medpipe.training.folds import Fold
    from medpipe.training.segmentation.recipe import read_recipe
    from medpipe.training.segmentation.workflow import read_cases, train_segmentation
    from medpipe.training.trainer import FitOptions

    plan = read_recipe(recipe, overrides=tuple(settings or ()))
    case_set = read_cases(data, facts=scores)
    facts = PackageFacts(
        version=package_version,
        data=f"{case_set.name}, {len(case_set.cases)} cases.",
        data_licence=data_licence,
        licence=licence,
        limits=limits,
        command=shlex.join(
            [
                *("medpipe", "train", "segment", recipe.name, "DATA", "-o", "OUT"),
                *("--data-licence", data_licence, "--licence", licence, "--limits", limits),
                *("--package-version", package_version, "--fold", fold, "--validation", f"{validation:g}"),
                *(word for text in settings or () for word in ("--set", text)),
                *(("--scores", scores.name) if scores else ()),
                *(word for path in figures_from or () for word in ("--figures-from", path.name)),
            ]
        ),
    )
    with progress_bars(quiet=quiet) as progress:
        options = FitOptions(choose_devices(device, 1)[0], workers=data_workers, progress=progress)
        result = train_segmentation(
            plan,
            case_set,
            output,
            facts,
            fold=Fold.parse(fold),
            validation=validation,
            figures_from=tuple(figures_from or ()),
            options=options,
        )
    _show_training(result, as_json=as_json, quiet=quiet)


@train_app.command("classify")
def train_classify(
    recipe: Annotated[Path, typer.Argument(help="Training recipe, a YAML file.", show_default=False)],
    data: Annotated[
        Path,
        typer.Argument(
            help="Table of studies: CSV of id, image and labels; RSNA's stage_2_train.csv; CQ500's.",
            show_default=False,
        ),
    ],
    output: TrainingFolder,
    data_licence: DataLicence,
    licence: Licence = "Apache-2.0",
    limits: Limits = "Not studied yet.",
    package_version: PackageVersion = "0.1.0",
    settings: Settings = None,
    fold: FoldOption = "1/1",
    validation: ValidationShare = 0.2,
    figures_from: FiguresFrom = None,
    slices: Annotated[
        Path | None, typer.Option(help="CSV of labels of slices: id, slice and labels.", show_default=False)
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the scans, where the table does not state it.", show_default=False),
    ] = None,
    subset: Annotated[
        bool, typer.Option("--subset", help="Leave out rows of RSNA's and CQ500's tables without a scan.")
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder of prepared slices that several trainings share; in the training's own by default.",
            show_default=False,
        ),
    ] = None,
    device: opt.Device = "auto",
    data_workers: DataWorkers = 0,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
) -> None:
    """Train a network that answers questions about studies of slices, evaluate and package it."""
    from medpipe.runs.workers.device import choose_devices
    from medpipe.training.card import PackageFacts
    from medpipe.training.classification.reading import read_studies
    from medpipe.training.classification.recipe import read_classification_recipe
    from medpipe.training.classification.workflow import train_classification
    from medpipe.training.folds import Fold
    from medpipe.training.trainer import FitOptions

    plan = read_classification_recipe(recipe, overrides=tuple(settings or ()))
    study_set = read_studies(data, plan, images=images, slices=slices, subset=subset)
    facts = PackageFacts(
        version=package_version,
        data=f"{study_set.name}, {len(study_set.cases)} studies.",
        data_licence=data_licence,
        licence=licence,
        limits=limits,
        command=shlex.join(
            [
                *("medpipe", "train", "classify", recipe.name, data.name, "-o", "OUT"),
                *("--data-licence", data_licence, "--licence", licence, "--limits", limits),
                *("--package-version", package_version, "--fold", fold, "--validation", f"{validation:g}"),
                *(word for text in settings or () for word in ("--set", text)),
                *(("--slices", slices.name) if slices else ()),
                *(("--images", "IMAGES") if images else ()),
                *(("--subset",) if subset else ()),
                *(word for path in figures_from or () for word in ("--figures-from", path.name)),
            ]
        ),
    )
    with progress_bars(quiet=quiet) as progress:
        options = FitOptions(choose_devices(device, 1)[0], workers=data_workers, progress=progress)
        result = train_classification(
            plan,
            study_set,
            output,
            facts,
            fold=Fold.parse(fold),
            validation=validation,
            figures_from=tuple(figures_from or ()),
            store_folder=store,
            options=options,
        )
    _show_training(result, as_json=as_json, quiet=quiet)


@train_app.command("plan")
def train_plan(
    data: Data,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Recipe to write, a YAML file.", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="Name of the model; the data set's by default.")] = "",
    modality: Annotated[
        str, typer.Option(help="DICOM modality such as MR or CT, where the files state none.")
    ] = "",
    labels: Annotated[
        list[str] | None,
        typer.Option("--label", help="Name of a label: value=name.", show_default=False),
    ] = None,
    memory_gb: Annotated[float, typer.Option(help="Memory that a training step may take.", min=0.1)] = 8.0,
    steps: Annotated[int, typer.Option(help="Optimiser steps.", min=1)] = 10_000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a recipe that is there.")] = False,
    quiet: opt.Quiet = False,
) -> None:
    """Look at a data set and write a training recipe for it, to be edited and trained by."""
    from medpipe.data.fingerprint import take_fingerprint
    from medpipe.io.atomic import write_text
    from medpipe.training.segmentation.planner import parse_label_names, plan_segmentation
    from medpipe.training.segmentation.workflow import read_cases

    if output.exists() and not overwrite:
        raise SettingsError(
            Code.E_OUTPUT, f"There is a file {output} already", fix="Give another name, or --overwrite."
        )
    case_set = read_cases(data)
    with progress_bars(quiet=quiet) as progress:
        fingerprint = take_fingerprint(case_set.cases, progress=progress)
    plan = plan_segmentation(
        fingerprint,
        name=name or case_set.name,
        label_names={**case_set.label_names, **parse_label_names(labels or ())},
        modality=modality,
        memory_gb=memory_gb,
        steps=steps,
    )
    write_text(output, plan.text())
    if not quiet:
        say(f"recipe: {output}")
        say(f"next: medpipe train segment {shlex.quote(str(output))} {shlex.quote(str(data))} -o trained/")


@evaluate_app.command("segment")
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
    _show_figures(figures)
    if not quiet:
        say(f"scores: {output / 'scores.csv'}; worst cases: {output / 'worst'}")


def _show_training(result: Any, *, as_json: bool, quiet: bool) -> None:
    from medpipe.training.card import figure_rows

    if as_json:
        print_json(
            {
                "checkpoint": str(result.fit.checkpoint),
                "steps": result.fit.steps,
                "package": str(result.package.path) if result.package else None,
                "figures": figure_rows(result.figures),
            }
        )
        return
    _show_figures(result.figures)
    if not quiet:
        say(f"{result.fit.steps} steps; checkpoint: {result.fit.checkpoint}")
        say(
            f"package: {result.package.path}"
            if result.package
            else "no package: nothing was kept for figures"
        )


def _show_figures(figures: Any) -> None:
    print_table(
        ("structure", "metric", "mean", "95 % interval", "cases"),
        [
            (
                item.structure,
                item.metric,
                f"{item.mean:.4g}",
                f"{item.interval.low:.4g} to {item.interval.high:.4g}",
                item.num_cases,
            )
            for item in figures
        ],
    )
