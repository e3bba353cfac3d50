"""Adding models of other toolkits: which kind a folder is, its name, its licence, and what the shell says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from medpipe.cli.models_commands import app
from medpipe.core.errors import NoInputError, SettingsError
from medpipe.zoo.bundle import export_bundle
from medpipe.zoo.card import NOT_EVALUATED
from medpipe.zoo.finder import find_package, user_folder
from medpipe.zoo.foreign.adding import add_model
from medpipe.zoo.package import Package


class MakeBundle(Protocol):
    def __call__(self, *, edit_inference: Callable[[dict[str, Any]], None] = ...) -> Path: ...


def models(*arguments: object) -> Result:
    """Call the commands; errors that the shell would turn into words are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


class TestBundle:
    def test_shell_says_what_was_made_and_what_differs(self, make_bundle: MakeBundle) -> None:
        def crop(config: dict[str, Any]) -> None:
            step = {"_target_": "CropForegroundd", "keys": "image", "source_key": "image"}
            config["preprocessing"]["transforms"].append(step)

        said = models("add", make_bundle(edit_inference=crop)).stderr
        assert f"spleen_ct 0.5.4: {user_folder() / 'spleen_ct'}" in said
        assert "Cropping: the bundle predicts within the box" in said
        assert "Left out and never executed: imports, bundle_root" in said
        assert NOT_EVALUATED in said

    def test_info_says_where_it_came_from(self, make_bundle: MakeBundle) -> None:
        models("add", make_bundle(), "--name", "spleen")
        shown = models("info", "spleen").stdout
        assert "imported from\tmonai-bundle Spleen & kidney 0.5.4" in shown
        assert f"figures\t{NOT_EVALUATED}" in shown
        assert "spleen\tvalid" in models("verify", "spleen").stdout

    def test_taken_name_needs_replace(self, make_bundle: MakeBundle) -> None:
        folder = make_bundle()
        add_model(folder)
        with pytest.raises(SettingsError, match="exists already"):
            add_model(folder)
        assert add_model(folder, replace=True).package.manifest.name == "spleen_ct"

    def test_refused_bundle_leaves_nothing(self, make_bundle: MakeBundle) -> None:
        folder = make_bundle()
        (folder / "models" / "model.pt").write_bytes(b"x")
        with pytest.raises(SettingsError, match=r"models/model\.pt"):
            add_model(folder)
        assert not user_folder().exists()

    def test_larger_networks_than_ours_are_taken(
        self, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("medpipe.zoo.writing.MAX_PARAMETERS", 10_000)
        assert add_model(make_bundle()).package.manifest.weights.num_parameters > 10_000

    def test_name_of_a_shipped_package_is_refused(self, make_bundle: MakeBundle) -> None:
        with pytest.raises(SettingsError, match=r"comes with medpipe.*another --name"):
            add_model(make_bundle(), name="hippocampus")

    @pytest.mark.parametrize("name", ["../spleen", "Spleen", "a b"])
    def test_name_that_is_no_name(self, make_bundle: MakeBundle, name: str) -> None:
        with pytest.raises(SettingsError, match="Name it with --name"):
            add_model(make_bundle(), name=name)

    def test_unknown_licence_must_be_named(self, make_bundle: MakeBundle) -> None:
        folder = make_bundle()
        (folder / "LICENSE").write_text("Ask us.\n")
        with pytest.raises(SettingsError, match=r"--licence Apache-2\.0"):
            add_model(folder)
        package = add_model(folder, licence="LicenseRef-ask").package
        assert (package.manifest.licence, package.licence) == ("LicenseRef-ask", "Ask us.\n")


class TestOtherFolders:
    def test_package_is_copied_as_before(self, spots: Package) -> None:
        assert add_model(spots.path).package.digest == spots.digest

    def test_package_keeps_its_name(self, spots: Package) -> None:
        with pytest.raises(SettingsError, match="Leave the options out"):
            add_model(spots.path, name="other")

    def test_unknown_folder_says_what_it_holds(self, tmp_path: Path) -> None:
        (tmp_path / "weights.bin").touch()
        with pytest.raises(SettingsError, match=r"found .*weights\.bin.*or of a MONAI bundle"):
            add_model(tmp_path)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(NoInputError, match="no folder"):
            add_model(tmp_path / "none")


class TestOwnBundle:
    def test_comes_back_as_the_package_it_was(self, written: Package, tmp_path: Path) -> None:
        export_bundle(written, tmp_path / "exported")
        found = add_model(tmp_path / "exported").package
        assert found.manifest == written.manifest
        assert (found.card, found.licence) == (written.card, written.licence)
        images = torch.rand(1, 1, 16, 12, 8, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            ours, before = (package.load_network()(images).logits for package in (found, written))
        assert torch.equal(ours, before)

    def test_shipped_package_comes_back_under_another_name(self, tmp_path: Path) -> None:
        shipped = find_package("hippocampus")
        export_bundle(shipped, tmp_path / "exported")
        found = add_model(tmp_path / "exported", name="mine").package
        assert found.manifest.model_copy(update={"name": "hippocampus", "made_with": {}}) == (
            shipped.manifest.model_copy(update={"made_with": {}})
        )

    def test_changed_configuration_is_not_that_package(self, written: Package, tmp_path: Path) -> None:
        export_bundle(written, tmp_path / "exported")
        file = tmp_path / "exported" / "configs" / "inference.json"
        file.write_text(file.read_text().replace('"nonzero": true', '"nonzero": false'))
        with pytest.raises(SettingsError, match=r"changed since medpipe exported it.*found preprocessing"):
            add_model(tmp_path / "exported")

    def test_other_weights_do_not_get_its_figures(self, written: Package, tmp_path: Path) -> None:
        export_bundle(written, tmp_path / "exported")
        file = tmp_path / "exported" / "models" / "model.pt"
        state = torch.load(file, weights_only=True)
        torch.save({name: value * 2 for name, value in state.items()}, file)
        with pytest.raises(SettingsError, match="found the weights"):
            add_model(tmp_path / "exported")
