"""Commands over model packages: models list, info, verify, add, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medpipe.cli import options as opt
from medpipe.cli.exit_codes import Exit, exit_of_error
from medpipe.cli.screen import print_json, print_table, say, say_error
from medpipe.core.errors import MedpipeError

if TYPE_CHECKING:
    from medpipe.zoo.manifest import Manifest, Origin
    from medpipe.zoo.package import Package

app = typer.Typer(
    help="Model packages: list, describe, check, add one's own, export as MONAI bundle.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of a package, or its folder.", show_default=False)]


@app.command("list")
def list_packages(as_json: opt.AsJson = False) -> None:
    """List the packages that come with medpipe and your own."""
    from medpipe.zoo.finder import package_folders
    from medpipe.zoo.package import read_package

    found = []
    for folder in package_folders():
        try:
            found.append(read_package(folder))
        except MedpipeError as error:
            say_error(error)
    if as_json:
        print_json([_facts(package) for package in found])
        return
    rows = [
        (
            package.manifest.name,
            package.manifest.version,
            package.manifest.task,
            f"{package.manifest.weights.num_parameters:,}",
            _size(sum(package.file_sizes.values())),
            package.manifest.summary,
        )
        for package in found
    ]
    print_table(("package", "version", "task", "parameters", "size", "what it does"), rows)


@app.command()
def info(package: Name, as_json: opt.AsJson = False) -> None:
    """Show what a package expects and gives, and its card."""
    from medpipe.zoo.finder import find_package

    found = find_package(package)
    if as_json:
        print_json({**_facts(found), "card": found.card})
        return
    manifest = found.manifest
    rows = [
        ("package", f"{manifest.name} {manifest.version}"),
        ("folder", str(found.path)),
        ("task", manifest.task),
        *_gives(manifest),
        ("input", ", ".join(_inputs(manifest))),
        ("network", f"{manifest.network.name}, {manifest.weights.num_parameters:,} parameters"),
        ("files", ", ".join(f"{name} {_size(size)}" for name, size in found.file_sizes.items())),
        ("licence", manifest.licence),
        *_origin(manifest.origin),
        ("digest", found.digest),
    ]
    print_table(("key", "value"), rows)
    typer.echo(f"\n{found.card.rstrip()}")


@app.command()
def verify(
    packages: Annotated[
        list[str] | None,
        typer.Argument(help="Names or folders; all packages by default.", show_default=False),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Hash the weights, load each network and try it; say what is wrong with which package."""
    from medpipe.zoo.finder import find_package, package_folders
    from medpipe.zoo.trial import verify_package

    worst = Exit.OK
    results = []
    for reference in packages or package_folders():
        try:
            verify_package(find_package(reference))
        except MedpipeError as error:
            say_error(error)
            worst = max(worst, exit_of_error(error))
            results.append({"package": str(reference), "state": error.code.value})
        else:
            results.append({"package": str(reference), "state": "valid"})
    if as_json:
        print_json(results)
    else:
        print_table(("package", "state"), [(item["package"], item["state"]) for item in results])
    if worst:
        raise typer.Exit(worst)


@app.command()
def add(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of a package, a MONAI bundle or a trained nnU-Net.", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="Name of an imported model; its folder's by default.", show_default=False
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence",
            help="SPDX identifier of an imported model's licence; read from its file by default.",
            show_default=False,
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace your package of the same name.")
    ] = False,
) -> None:
    """Check a package, or make one of another toolkit's model, and put it where pipelines find it by name.

    Nothing of a foreign model is executed: what cannot be read as data is refused, all of it in one message.
    """
    from medpipe.zoo.card import NOT_EVALUATED
    from medpipe.zoo.foreign.adding import add_model

    added = add_model(folder, name=name, licence=licence, replace=replace)
    manifest = added.package.manifest
    say(f"{manifest.name} {manifest.version}: {added.package.path}")
    for note in added.notes:
        say(f"  {note}")
    if manifest.origin:
        say(f"  {NOT_EVALUATED} Try it with: medpipe evaluate segment")


@app.command()
def export(
    package: Name,
    bundle: Annotated[
        Path, typer.Option("--bundle", help="Folder of the MONAI bundle; must not exist.", show_default=False)
    ],
) -> None:
    """Write a package as a MONAI bundle."""
    from medpipe.zoo.bundle import export_bundle
    from medpipe.zoo.finder import find_package

    export_bundle(find_package(package), bundle)
    say(f"MONAI bundle: {bundle}")


def _gives(manifest: "Manifest") -> list[tuple[str, str]]:
    if manifest.task == "kidney":
        alerts = ", ".join("none" if level is None else f"{level:.3g}" for level in manifest.thresholds)
        return [
            ("outcome", f"{manifest.outcome.meaning}: {manifest.definition}"),
            ("horizons", f"{', '.join(f'{hours:g}' for hours in manifest.horizons_h)} h"),
            ("alerts from", f"{alerts} (a precision of {manifest.target_precision:.0%})"),
            ("lab maxima", ", ".join(lab.code.meaning for lab in manifest.labs) or "none"),
            ("trees", f"{manifest.tree_weight:.0%} of the score" if manifest.tree_weight else "none"),
        ]
    if manifest.task == "segmentation":
        labels = [f"{label.value} {label.code.meaning}" for label in manifest.labels]
    else:
        labels = [item.label.code.meaning for item in manifest.labels]
    scores = ", ".join(item.score.code.meaning for item in manifest.scores) or "none"
    return [("labels", ", ".join(labels)), ("scores", scores)]


def _inputs(manifest: "Manifest") -> list[str]:
    if manifest.task == "segmentation":
        return [f"{channel.name} ({channel.modality})" for channel in manifest.preprocessing.channels]
    if manifest.task == "kidney":
        codes = len(manifest.encoding.codes)
        own = f"{len(manifest.encoding.variables)} variables" + (f" and {codes} codes" if codes else "")
        return [f"health records, {own}", manifest.steps.words]
    return [f"{manifest.preprocessing.role} ({manifest.preprocessing.modality}), slices"]


def _origin(origin: "Origin | None") -> list[tuple[str, str]]:
    from medpipe.zoo.card import NOT_EVALUATED

    if origin is None:
        return []
    return [
        ("imported from", f"{origin.kind} {origin.name} {origin.version}".rstrip()),
        ("figures", NOT_EVALUATED),
    ]


def _facts(package: "Package") -> dict[str, Any]:
    return {
        "folder": str(package.path),
        "digest": package.digest,
        "files": dict(package.file_sizes),
        **package.manifest.model_dump(mode="json"),
    }


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.1f} kB"
