"""Commands over pipeline files: config list, show, schema, validate."""

from typing import Annotated

import typer

from medpipe.cli import options as opt
from medpipe.cli.screen import print_json, print_table, say

app = typer.Typer(
    help="Pipeline files: list, show, check, and the schema of each stage.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="Name of a pipeline, or a YAML file.", show_default=False)]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Change a parameter: stage.key=value.", show_default=False)
]


@app.command("list")
def list_pipelines(as_json: opt.AsJson = False) -> None:
    """List the pipelines that come with medpipe."""
    from medpipe.core.settings import read_settings
    from medpipe.runs.pipeline import named_pipelines

    # Not read_pipeline: the list must not need the model package of each.
    found = [(name, read_settings(path).data["description"]) for name, path in named_pipelines().items()]
    if as_json:
        print_json([{"name": name, "description": text} for name, text in found])
    else:
        print_table(("pipeline", "what it does"), found)


@app.command()
def show(pipeline: Name, settings: Settings = None, as_json: opt.AsJson = False) -> None:
    """Print a pipeline with every default filled in."""
    from medpipe.runs.pipeline import pipeline_text, read_pipeline

    resolved = read_pipeline(pipeline, overrides=settings or ())
    if as_json:
        print_json(resolved.resolved())
    else:
        typer.echo(pipeline_text(resolved), nl=False)


@app.command()
def schema(
    stage: Annotated[str, typer.Argument(help="Name of a stage; all of them by default.")] = "",
) -> None:
    """Print the JSON schema of a stage's parameters."""
    from medpipe.runs.catalogue import STAGES, stage_class, stage_reference

    names = [stage] if stage else list(STAGES)
    kinds = {name: stage_class(stage_reference(name, place="medpipe config schema")) for name in names}
    print_json({name: kind.params_type.model_json_schema() for name, kind in kinds.items()})


@app.command()
def validate(pipeline: Name, settings: Settings = None) -> None:
    """Check a pipeline file; exit with 2 and say line and fix when it is wrong."""
    from medpipe.runs.pipeline import read_pipeline

    resolved = read_pipeline(pipeline, overrides=settings or ())
    say(f"{resolved.name}: {len(resolved.stages)} stages, valid")
