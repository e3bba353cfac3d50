"""Commands that make models: train segment, train classify, train aki, train plan."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from medpipe.cli import options as opt
from medpipe.cli.option_groups import grouped
from medpipe.cli.screen import progress_bars, say
from medpipe.cli.training import (
    Choices,
    Facts,
    FiguresFrom,
    FoldOption,
    Settings,
    TrainingFolder,
    ValidationShare,
    Work,
    show_kidney_training,
    show_training,
)
from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError

app = typer.Typer(help="Train models on your own data.", no_args_is_help=True)

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


@app.command("segment")
@grouped
def train_segment(
    recipe: Annotated[Path, typer.Argument(help="Training recipe, a YAML file.", show_default=False)],
    data: Data,
    output: TrainingFolder,
    card: Facts,
    work: Work,
    settings: Settings = None,
    fold: FoldOption = "1/1",
    validation: ValidationShare = 0.2,
    figures_from: FiguresFrom = None,
    scores: Scores = None,
) -> None:
    """Train a segmentation network, evaluate it on cases kept aside, and package it."""
    from medpipe.training.folds import Fold
    from medpipe.training.segmentation.recipe import read_recipe
    from medpipe.training.segmentation.workflow import read_cases, train_segmentation

    plan = read_recipe(recipe, overrides=tuple(settings or ()))
    case_set = read_cases(data, facts=scores)
    own = (*(("--scores", scores.name) if scores else ()),)
    facts = card.of(
        f"{case_set.name}, {len(case_set.cases)} cases.",
        ("segment", recipe.name, "DATA", "-o", "OUT"),
        Choices(tuple(settings or ()), fold, validation, tuple(figures_from or ())).words(*own),
    )
    with work.options() as options:
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
    show_training(result, work)


@app.command("classify")
@grouped
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
    card: Facts,
    work: Work,
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
) -> None:
    """Train a network that answers questions about studies of slices, evaluate and package it."""
    from medpipe.training.classification.reading import read_studies
    from medpipe.training.classification.recipe import read_classification_recipe
    from medpipe.training.classification.workflow import train_classification
    from medpipe.training.folds import Fold

    plan = read_classification_recipe(recipe, overrides=tuple(settings or ()))
    study_set = read_studies(data, plan, images=images, slices=slices, subset=subset)
    own = (
        *(("--slices", slices.name) if slices else ()),
        *(("--images", "IMAGES") if images else ()),
        *(("--subset",) if subset else ()),
    )
    facts = card.of(
        f"{study_set.name}, {len(study_set.cases)} studies.",
        ("classify", recipe.name, data.name, "-o", "OUT"),
        Choices(tuple(settings or ()), fold, validation, tuple(figures_from or ())).words(*own),
    )
    with work.options() as options:
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
    show_training(result, work)


@app.command("aki")
@grouped
def train_aki(
    recipe: Annotated[Path, typer.Argument(help="Training recipe, a YAML file.", show_default=False)],
    records: Annotated[
        Path,
        typer.Argument(
            help="Health records: MEDS, a YAIB task, MIMIC-III, or a CSV of events.", show_default=False
        ),
    ],
    output: TrainingFolder,
    card: Facts,
    work: Work,
    settings: Settings = None,
    predicates: Annotated[
        str,
        typer.Option(help="What the records' codes mean: a name or a YAML file.", show_default=False),
    ] = "",
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder of prepared stays that several trainings share; in the training's own by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train networks and trees that forecast kidney injury, merge, calibrate, judge and package them."""
    from medpipe.io.records.meds import read_dataset_name
    from medpipe.training.kidney.recipe import read_kidney_recipe
    from medpipe.training.kidney.workflow import train_kidney

    changes = tuple(settings or ())
    plan = read_kidney_recipe(recipe, overrides=changes)
    own = [
        *(word for text in changes for word in ("--set", text)),
        *(("--predicates", predicates) if predicates else ()),
    ]
    facts = card.of(
        f"{read_dataset_name(records) or records.resolve().name}.",
        ("aki", recipe.name, "RECORDS", "-o", "OUT"),
        own,
    )
    with work.options() as options:
        result = train_kidney(
            plan, records, output, facts, predicates=predicates, store_folder=store, options=options
        )
    show_kidney_training(result, work, task=plan.task.words)


@app.command("plan")
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
