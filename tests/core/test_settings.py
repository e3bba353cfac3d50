"""Settings: plain data only, and every message names the line and the nearest key."""

import contextlib
import os
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from medpipe.core.errors import SettingsError
from medpipe.core.settings import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    cache_folder,
    configuration_folder,
    nearest,
    offer_environment,
    parse_settings,
    read_settings,
    validate_settings,
)


class Rule(BaseModel):
    """A nested mapping."""

    model_config = ConfigDict(extra="forbid")

    min_slices: int = 1
    forms: tuple[str, ...] = ()


class Circle(BaseModel):
    """One of several mappings, told by its kind."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["circle"] = "circle"
    radius: float = 1.0


class Square(BaseModel):
    """Another one."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["square"] = "square"
    width: float = 1.0


class Settings(BaseModel):
    """A model of each way to nest."""

    model_config = ConfigDict(extra="forbid")

    name: str
    one: Rule | None = None
    by_role: dict[str, Rule] = Field(default_factory=dict)
    listed: tuple[Rule, ...] = ()
    shape: Circle | Square = Field(default=Circle(), discriminator="kind")
    rule_or_file: Rule | str | None = None


def problem(text: str) -> str:
    """Return the message about settings that are wrong."""
    with pytest.raises(SettingsError) as caught:
        validate_settings(Settings, parse_settings(text, name="p.yaml"))
    return str(caught.value)


class TestParsing:
    def test_plain_data_and_lines(self) -> None:
        parsed = parse_settings("name: a\nlisted:\n- min_slices: 3\n", name="p.yaml")
        assert parsed.data == {"name": "a", "listed": [{"min_slices": 3}]}
        assert parsed.place(("listed", 0, "min_slices")) == "p.yaml, line 3"
        assert parsed.place(("listed", 0, "absent")) == "p.yaml, line 3"

    def test_empty_text_is_none(self) -> None:
        assert parse_settings("# nothing\n", name="p.yaml").data is None

    def test_alias_is_refused(self) -> None:
        assert problem("name: &n a\none: *n\n").startswith(
            "p.yaml, line 2: aliases are not allowed: found *n."
        )

    @pytest.mark.parametrize(
        "value", ["!!python/object:os.system x", "!mine {a: 1}", "!!python/tuple [1]", "!!str 3", "! x"]
    )
    def test_tag_is_refused_wherever_it_stands(self, value: str) -> None:
        assert problem(f"name: a\none: {value}\n").startswith("p.yaml, line 2: tags are not allowed: found ")

    def test_key_that_stands_twice_is_refused(self) -> None:
        assert problem("name: a\nname: b\n").startswith("p.yaml, line 2: a key stands twice: found 'name'.")

    def test_key_that_is_no_word_is_refused(self) -> None:
        assert problem("? [a, b]\n: 1\n") == "p.yaml, line 1: a key must be a word."

    def test_endless_nesting_is_refused(self) -> None:
        assert f"nesting is too deep: found more than {MAX_DEPTH} levels" in problem("[" * 100_000)

    def test_date_that_is_none_is_refused_with_its_line(self) -> None:
        text = problem("name: a\none: 2024-13-45\n")
        assert text.startswith("p.yaml, line 2: a value cannot be read: found '2024-13-45'.")

    def test_two_documents_are_refused(self) -> None:
        assert "not valid YAML" in problem("name: a\n---\nname: b\n")

    @given(text=st.text(alphabet="ab1.~<=:-,?|>*&!%@`#'\"[]{} \t\n\x00\ufeff", max_size=30))
    def test_any_text_is_data_or_a_settings_error(self, text: str) -> None:
        with contextlib.suppress(SettingsError):
            parse_settings(text, name="p.yaml")

    def test_broken_yaml_names_its_line(self) -> None:
        assert problem("name: a\none: [\n").startswith("p.yaml, line 3: not valid YAML")


class TestReading:
    def test_absent_file(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read: found No such file"):
            read_settings(tmp_path / "absent.yaml")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="found Is a directory"):
            read_settings(tmp_path)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(SettingsError, match="cannot be read: found bytes that are no text"):
            read_settings(tmp_path / "p.yaml")

    def test_huge_file(self, tmp_path: Path) -> None:
        (tmp_path / "p.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
        with pytest.raises(SettingsError, match="too large"):
            read_settings(tmp_path / "p.yaml")


class TestValidation:
    def test_valid_settings_become_the_model(self) -> None:
        parsed = parse_settings("name: a\nby_role: {image: {min_slices: 3}}\n", name="p.yaml")
        assert validate_settings(Settings, parsed).by_role["image"].min_slices == 3

    @pytest.mark.parametrize(
        ("text", "line", "key", "meant"),
        [
            ("names: a\n", 1, "names", "name"),
            ("name: a\none:\n  min_slice: 3\n", 3, "min_slice", "min_slices"),
            ("name: a\nby_role:\n  image:\n    min_slice: 3\n", 4, "min_slice", "min_slices"),
            ("name: a\nlisted:\n- forms: []\n- form: []\n", 4, "form", "forms"),
            ("name: a\nshape:\n  kind: square\n  widths: 3\n", 4, "widths", "width"),
            ("name: a\nrule_or_file:\n  min_slice: 3\n", 3, "min_slice", "min_slices"),
        ],
    )
    def test_unknown_key_names_line_and_nearest_key(self, text: str, line: int, key: str, meant: str) -> None:
        assert f"p.yaml, line {line}: unknown key {key!r}. Did you mean {meant!r}?" in problem(text)

    def test_missing_key_is_named(self) -> None:
        assert problem("listed: []\n") == "p.yaml, line 1: the key 'name' is missing. Give it a value."

    def test_wrong_value_names_line_key_and_value(self) -> None:
        text = problem("name: a\none:\n  min_slices: many\n")
        assert text.startswith("p.yaml, line 3: 'min_slices' is not valid")
        assert text.endswith("found 'many'.")

    def test_wrong_item_of_a_list_names_the_list(self) -> None:
        assert problem("name: a\none:\n  forms: [3]\n").startswith("p.yaml, line 3: 'forms' is not valid")

    def test_value_that_is_none_of_several_kinds_names_its_key(self) -> None:
        text = problem("name: a\nrule_or_file: 7\n")
        assert text.startswith("p.yaml, line 2: 'rule_or_file' is not valid")

    def test_list_in_place_of_keys(self) -> None:
        assert problem("- name\n") == "p.yaml, line 1: expected keys and values: found list."


@pytest.mark.parametrize(
    ("name", "choices", "text"),
    [
        ("measures", ["load", "measure"], "Did you mean 'measure'?"),
        ("xyz", ["load", "measure"], "Choose one of: load, measure."),
        ("xyz", [], "Leave it out."),
    ],
)
def test_nearest(name: str, choices: list[str], text: str) -> None:
    assert nearest(name, choices) == text


def test_cache_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/medpipe")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "medpipe"


def test_offered_variables_leave_the_users_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDPIPE_TEST_SET", "by the user")
    monkeypatch.setenv("MEDPIPE_TEST_UNSET", "")  # so that it is put back
    monkeypatch.delenv("MEDPIPE_TEST_UNSET")
    offer_environment(MEDPIPE_TEST_SET="x", MEDPIPE_TEST_UNSET="y")
    assert (os.environ["MEDPIPE_TEST_SET"], os.environ["MEDPIPE_TEST_UNSET"]) == ("by the user", "y")


def test_configuration_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert configuration_folder() == Path("/somewhere/medpipe")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert configuration_folder() == Path.home() / ".config" / "medpipe"
