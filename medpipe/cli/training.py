"""What all commands that train have in common: options, the card's words, and the result."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli.screen import print_json, print_table, say

if TYPE_CHECKING:
    from medpipe.training.card import PackageFacts

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
        version: Of the package.
    """

    data_licence: str
    licence: str
    limits: str
    version: str

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
            *("--package-version", self.version, *choices),
        ]
        return PackageFacts(
            version=self.version,
            data=data,
            data_licence=self.data_licence,
            licence=self.licence,
            limits=self.limits,
            command=shlex.join(words),
        )


def show_training(result: Any, *, as_json: bool, quiet: bool) -> None:
    """Print the figures of a training and where its package lies."""
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
    show_figures(result.figures)
    if not quiet:
        say(f"{result.fit.steps} steps; checkpoint: {result.fit.checkpoint}")
        say(
            f"package: {result.package.path}"
            if result.package
            else "no package: nothing was kept for figures"
        )


def show_kidney_training(result: Any, *, task: str, as_json: bool, quiet: bool) -> None:
    """Print the task, its horizons with prevalence and observable share, and the figures."""
    from medpipe.training.kidney.workflow import figures_data

    if as_json:
        print_json({"task": task, "folder": str(result.folder), **figures_data(result)})
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
    if not quiet:
        if result.lookups is not None:
            say(result.lookups.words)
        say(f"stays: {', '.join(f'{name} {number}' for name, number in result.stays.items())}")
        say(f"networks, calibration and predictions of the test patients: {result.folder}")


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
