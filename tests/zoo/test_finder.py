"""Packages by name and by path."""

import shutil
from pathlib import Path

import pytest

from medpipe.core.errors import SettingsError
from medpipe.zoo import finder
from medpipe.zoo.finder import find_package, package_folders, user_folder
from medpipe.zoo.package import Package, read_package


@pytest.fixture
def added(written: Package) -> Package:
    """Return a copy of the package in the user's folder."""
    return read_package(shutil.copytree(written.path, user_folder() / "spots"))


def test_users_package_is_found_by_name(added: Package) -> None:
    assert find_package("spots") == added
    assert added.path in package_folders()


def test_misspelt_name_is_answered_with_the_nearest(added: Package) -> None:
    with pytest.raises(SettingsError, match=r"no model package 'spot'.*Did you mean 'spots'"):
        find_package("spot")


def test_path_needs_a_slash(spots: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spots.path.parent)
    assert find_package("./spots").digest == spots.digest
    assert find_package(Path("spots")).digest == spots.digest
    with pytest.raises(SettingsError, match=r"Write \./spots for the folder here"):
        find_package("spots")


def test_one_name_in_two_places_is_refused(
    added: Package, spots: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "shipped_folder", lambda: spots.path.parent)
    with pytest.raises(SettingsError, match=f"found {spots.path} and {added.path}"):
        find_package("spots")


def test_folder_of_another_name_is_refused(added: Package) -> None:
    added.path.rename(added.path.with_name("dots"))
    with pytest.raises(SettingsError, match="another name: found 'spots'"):
        find_package("dots")


def test_unfinished_folders_have_no_name(added: Package) -> None:
    (user_folder() / ".tmp-1").mkdir()
    assert [folder.name for folder in package_folders() if folder.parent == user_folder()] == ["spots"]


def test_shipped_packages_are_valid() -> None:
    for folder in finder.shipped_folder().glob("*/"):
        assert find_package(folder.name).load_network()
