"""The shell's commands over packages."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from medpipe.cli.models_commands import app
from medpipe.core.errors import MachineError, SettingsError
from medpipe.zoo.finder import user_folder
from medpipe.zoo.package import WEIGHTS, Package


def models(*arguments: object) -> Result:
    """Call the commands; errors that the shell would turn into words are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def damage(package: Path) -> None:
    content = bytearray((package / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (package / WEIGHTS).write_bytes(content)


@pytest.fixture
def added(written: Package) -> Path:
    return Path(shutil.copytree(written.path, user_folder() / "spots"))


def test_added_package_is_listed(spots: Package) -> None:
    assert str(user_folder() / "spots") in models("add", spots.path).stderr
    size = sum(file.stat().st_size for file in spots.path.iterdir())
    rows = [line.split("\t") for line in models("list").stdout.splitlines()]
    row = [
        "spots",
        "1.0.0",
        "segmentation",
        "4,763",
        f"{size / 1e3:.1f} kB",
        "Spots and rings in simulated MR",
    ]
    assert row in rows


def test_list_as_json_holds_the_manifest(added: Path) -> None:
    (found,) = (item for item in json.loads(models("list", "--json").stdout) if item["name"] == "spots")
    assert found["folder"] == str(added)
    assert found["files"][WEIGHTS] == found["weights"]["num_bytes"] == (added / WEIGHTS).stat().st_size
    assert [label["name"] for label in found["labels"]] == ["spot", "ring"]


def test_broken_package_is_named_and_the_others_listed(added: Path) -> None:
    shutil.copytree(added, added.with_name("worse"))
    (added.with_name("worse") / "card.md").unlink()
    result = models("list")
    assert "worse: a package must hold card.md" in result.stderr
    assert "spots\t1.0.0" in result.stdout


def test_list_imports_no_torch(added: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from medpipe.cli.models_commands import app;"
        "print(CliRunner().invoke(app, ['list']).stdout, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "spots\t1.0.0" in done.stdout
    assert done.stdout.endswith("False\n")


def test_info_shows_facts_and_card(spots: Package) -> None:
    text = models("info", spots.path).stdout
    assert "labels\t1 spot, 2 ring" in text
    assert "input\timage (MR)" in text
    assert "## Limits" in text
    assert json.loads(models("info", spots.path, "--json").stdout)["card"] == spots.card


def test_verify_passes_valid_packages(added: Path) -> None:
    result = models("verify")
    assert result.exit_code == 0
    assert f"{added}\tvalid" in result.stdout


def test_verify_names_the_damaged_one_and_goes_on(added: Path, spots: Package) -> None:
    damage(spots.path)
    result = models("verify", spots.path, "spots", "--json")
    assert result.exit_code == 6
    assert json.loads(result.stdout) == [
        {"package": str(spots.path), "state": "E_PACKAGE"},
        {"package": "spots", "state": "valid"},
    ]
    assert "are not those that its manifest names" in result.stderr


def test_verify_answers_an_unknown_name_with_the_nearest(added: Path) -> None:
    result = models("verify", "spot")
    assert result.exit_code == 2
    assert "Did you mean 'spots'?" in result.stderr


def test_add_needs_replace_for_a_taken_name(added: Path, spots: Package) -> None:
    with pytest.raises(SettingsError, match="exists already"):
        models("add", spots.path)
    assert models("add", spots.path, "--replace").exit_code == 0


def test_export_writes_a_bundle(added: Path, tmp_path: Path) -> None:
    models("export", "spots", "--bundle", tmp_path / "bundle")
    assert (tmp_path / "bundle" / "models" / "model.pt").is_file()


def test_export_of_damaged_weights_is_refused(added: Path, tmp_path: Path) -> None:
    damage(added)
    with pytest.raises(MachineError, match="sha256"):
        models("export", "spots", "--bundle", tmp_path / "bundle")
