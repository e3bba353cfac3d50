"""Options in groups: on the command line they stand alone, the command gets them together."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from medpipe.cli.option_groups import grouped


@dataclass(frozen=True)
class Size:
    """Two options."""

    width: Annotated[int, typer.Option(help="How wide.")]
    height: Annotated[int, typer.Option("--high", help="How high.")] = 3


app = typer.Typer()


@app.command()
@grouped
def show(name: Annotated[str, typer.Argument()], size: Size, loud: bool = False) -> None:
    """Show a size."""
    typer.echo(f"{name} {size.width} {size.height} {loud} {type(size).__name__}")


def test_options_reach_the_command_together() -> None:
    found = CliRunner().invoke(app, ["box", "--width", "2", "--high", "5", "--loud"])
    assert found.output == "box 2 5 True Size\n"
    assert CliRunner().invoke(app, ["box", "--width", "2"]).output == "box 2 3 False Size\n"


def test_option_without_default_is_asked_for() -> None:
    found = CliRunner().invoke(app, ["box"])
    assert found.exit_code == 2
    assert "--width" in found.output


def test_help_is_that_of_the_fields() -> None:
    found = CliRunner().invoke(app, ["--help"])
    assert "Show a size." in found.output
    assert "How high." in found.output
