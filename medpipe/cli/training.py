"""What all commands that train have in common: options, the card's words, and the result."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli import options as opt
from medpipe.cli.screen import print_json, print_table, progress_bars, say

if TYPE_CHECKING:
    from medpipe.training.card import PackageFacts
    from medpipe.training.trainer import FitOptions

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


@dataclass(frozen=True)
class Choices:
    """Options of a training that change what comes out.

    Attributes:
        settings: Changes of the recipe.
        fold: As ``i/k``.
        validation: Share of patients kept aside.
        figures_from: Folders of finished folds.
    """

    settings: tuple[str, ...]
    fold: str
    validation: float
    figures_from: tuple[Path, ...]

    def words(self, *own: str) -> list[str]:
        """Return them as words of a command; ``own`` are those of that command alone."""
        return [
            *("--fold", self.fold, "--validation", f"{self.validation:g}"),
            *(word for text in self.settings for word in ("--set", text)),
            *own,
            *(word for path in self.figures_from for word in ("--figures-from", path.name)),
        ]


@dataclass(frozen=True)
class Facts:
    """What the card says in the words of whoever trains.

    Attributes:
        data_licence: Licence of the data.
        licence: SPDX identifier of the package's own.
        limits: What the model has not seen.
        package_version: Of the package.
    """

    data_licence: DataLicence
    licence: Licence = "Apache-2.0"
    limits: Limits = "Not studied yet."
    package_version: PackageVersion = "0.1.0"

    def of(self, data: str, command: tuple[str, ...], choices: list[str]) -> "PackageFacts":
        """Return the facts of a package.

        Args:
            data: Name and size of the data set.
            command: Kind of training, recipe and data.
            choices: Further words of the command.
        """
        from medpipe.training.card import PackageFacts

        words = [
            *("medpipe", "train", *command),
            *("--data-licence", self.data_licence, "--licence", self.licence, "--limits", self.limits),
            *("--package-version", self.package_version, *choices),
        ]
        return PackageFacts(
            version=self.package_version,
            data=data,
            data_licence=self.data_licence,
            licence=self.licence,
            limits=self.limits,
            command=shlex.join(words),
        )


@dataclass(frozen=True)
class Work:
    """How a training works, and what it says.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        data_workers: Processes that prepare what is learned from.
        as_json: Whether figures are printed as JSON.
        quiet: Whether progress and closing words are left out.
    """

    device: opt.Device = "auto"
    data_workers: DataWorkers = 0
    as_json: opt.AsJson = False
    quiet: opt.Quiet = False

    @contextmanager
    def options(self) -> Iterator["FitOptions"]:
        """Yield how to work, with progress on the screen."""
        from medpipe.runs.workers.device import choose_devices
        from medpipe.training.trainer import FitOptions

        with progress_bars(quiet=self.quiet) as progress:
            device = choose_devices(self.device, 1)[0]
            yield FitOptions(device, workers=self.data_workers, progress=progress)


def show_training(result: Any, work: Work) -> None:
    """Print the figures of a training and where its package lies."""
    from medpipe.training.card import figure_rows

    if work.as_json:
        print_json(
            {
                "checkpoint": str(result.fit.checkpoint),
                "steps": result.fit.steps,
                "package": str(result.package.path) if result.package else None,
                "figures": figure_rows(result.figures),
            }
        )
        return
    show_figures(result.figures)
    if not work.quiet:
        say(f"{result.fit.steps} steps; checkpoint: {result.fit.checkpoint}")
        say(
            f"package: {result.package.path}"
            if result.package
            else "no package: nothing was kept for figures"
        )


def show_kidney_training(result: Any, work: Work, *, task: str) -> None:
    """Print the task, its horizons with prevalence and observable share, and the figures."""
    from medpipe.training.kidney.workflow import figures_data

    if work.as_json:
        package = str(result.package.path) if result.package else None
        print_json({"task": task, "folder": str(result.folder), "package": package, **figures_data(result)})
        return
    say(f"task: {task}")
    print_table(
        ("horizon", "steps", "observable", "prevalence", "patients", "with it"),
        [
            (
                f"{item.horizon_h:g} h",
                item.steps,
                f"{item.observable:.1%}",
                f"{item.prevalence:.2%}",
                item.patients,
                item.ill,
            )
            for item in result.horizons
        ],
    )
    print_table(
        ("horizon", "metric", "model", "value", "95 % interval"),
        [
            (
                f"{item.horizon_h:g} h",
                item.metric,
                item.model,
                f"{item.value:.3f}",
                f"{item.low:.3f} to {item.high:.3f}",
            )
            for item in result.figures
        ],
    )
    say(f"patients were split: {result.split}")
    if result.tree_weight.areas:
        areas = ", ".join(f"{area:.3f} at {weight:g}" for weight, area in result.tree_weight.areas.items())
        say(
            f"weight of the trees: {result.tree_weight.weight:g} (mean AUROC of the validation part: {areas})"
        )
    if not work.quiet:
        if result.lookups is not None:
            say(result.lookups.words)
        say(f"stays: {', '.join(f'{name} {number}' for name, number in result.stays.items())}")
        say(f"networks, calibration and predictions of the test patients: {result.folder}")
        if result.package:
            say(f"package: {result.package.path}")


def show_figures(figures: Any) -> None:
    """Print figures as a table."""
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
