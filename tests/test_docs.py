"""The documentation is true: its code runs, its commands exist, its tables are those of the code."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import medpipe
from medpipe.cli.main import app
from medpipe.core.codes import Code
from medpipe.core.findings import FindingsRecord
from medpipe.core.settings import parse_settings
from medpipe.models.registry import build_network
from medpipe.runs.pipeline import build_pipeline
from medpipe.simulate.studies import write_small_studies
from medpipe.training.classification.fit import network_arguments as arguments_of_classifier
from medpipe.training.classification.recipe import ClassificationRecipe
from medpipe.training.segmentation.fit import network_arguments
from medpipe.training.segmentation.recipe import TrainingRecipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#([\w-]+))?\)")


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in a language."""
    return [code for name, code in FENCE.findall(page.read_text(encoding="utf-8")) if name == language]


def pages_with(language: str) -> list[Any]:
    """Return the pages that hold blocks of a language, as test parameters."""
    return [pytest.param(page, id=page.name) for page in PAGES if blocks(page, language)]


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command of the console blocks."""
    lines = "\n".join(blocks(page, "console")).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parse(words: list[str]) -> None:
    """Parse a medpipe command as the shell would, options and arguments included, without running it."""
    command, context = typer.main.get_command(app), None
    name, rest = words[0], words[1:]
    while True:
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        found, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        assert command is not None
        name = found


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work beside three small studies, one of them in a folder that the sample data has too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    for number, folder in enumerate(write_small_studies(tmp_path / "scans", 3), start=1):
        folder.rename(folder.with_name("01-mni152-t1-nifti" if number == 1 else f"study-{number}"))
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run(page: Path, scans: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for number, code in enumerate(blocks(page, "python"), start=1):
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", pages_with("console"))
def test_console_commands_exist_with_their_options(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands(page):
        if words[0] == "medpipe":
            parse(words)
        elif words[0] == "make":
            assert words[1] in targets
        elif words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file()
        else:
            assert words[0] in {"pip", "python"}


def test_unknown_option_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["medpipe", "run", "measure", "scans", "-o", "out", "--no-such-option"])
    with pytest.raises(Exception, match="No such command"):
        parse(["medpipe", "config", "no-such-command"])


@pytest.mark.parametrize("page", pages_with("yaml"))
def test_yaml_blocks_are_valid_pipelines(page: Path) -> None:
    for text in blocks(page, "yaml"):
        if page.name == "training.md":
            check_part_of_a_training_recipe(text)
        elif page.name == "classification.md":
            check_classification_recipe(text)
        else:
            build_pipeline(parse_settings(text, name=page.name))


def check_part_of_a_training_recipe(text: str) -> None:
    recipe = ROOT / "pipelines" / "train" / "brain-mmse.yaml"
    data = {**yaml.safe_load(recipe.read_text()), **yaml.safe_load(text)}
    plan = TrainingRecipe.model_validate(data)
    build_network(plan.network.name, network_arguments(plan))


def check_classification_recipe(text: str) -> None:
    plan = ClassificationRecipe.model_validate({"name": "heads", **yaml.safe_load(text)})
    build_network(plan.network.name, arguments_of_classifier(plan))


def test_json_block_is_a_findings_record() -> None:
    (text,) = blocks(ROOT / "docs" / "findings.md", "json")
    assert len(FindingsRecord.model_validate_json(text).findings) == 1


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_generated_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    filled = runpy.run_path(str(ROOT / "docs" / "tables.py"))["filled"]
    assert filled(text) == text, "run: python docs/tables.py"


def test_every_code_is_listed() -> None:
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert all(f"| `{code}` | {code.meaning} |" in text for code in Code)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for path, heading in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / path
        assert target.exists(), path
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {title.lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_codes_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"\b[EW]_[A-Z_]+\b", page.read_text(encoding="utf-8")))
    assert named <= {code.value for code in Code}


def test_python_functions_are_there() -> None:
    assert all(callable(getattr(medpipe, name)) for name in medpipe.__all__)


@pytest.mark.slow
def test_the_tour_runs(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "configuration"),
    }
    for words in commands(ROOT / "docs" / "getting-started.md"):
        if words[0] == "medpipe":
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode in (0, 4), f"{words}: {done.stderr}"
    assert (tmp_path / "out" / "index.html").is_file()
