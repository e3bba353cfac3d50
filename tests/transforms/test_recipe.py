"""Recipes: typed data that a person writes, checked by line."""

from pathlib import Path

import pytest

from medpipe.core.errors import SettingsError
from medpipe.core.settings import parse_settings
from medpipe.transforms.recipe import Recipe, build_recipe, named_recipes, read_recipe


def build(text: str) -> Recipe:
    return build_recipe(parse_settings(text, name="own.yaml"))


def test_ct_mr_and_xray_come_with_medpipe() -> None:
    assert {"ct", "mr", "mr-brain", "xray"} <= set(named_recipes())
    for name in named_recipes():
        recipe = read_recipe(name)
        assert recipe.name == name
        assert recipe.description


def test_each_recipe_ends_where_its_modality_does() -> None:
    ct, mr = read_recipe("ct"), read_recipe("mr")
    assert (ct.fill, ct.border.left_right, ct.border.head_foot) == (-1000.0, "fill", "reflect")
    assert ct.bias_field is None
    assert mr.bias_field is not None
    assert set(mr.border.model_dump().values()) == {"edge"}


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "gentle.yaml"
    path.write_text("name: gentle\nnoise: {probability: 0.5, std: [0.01, 0.02]}\n")
    recipe = read_recipe(path)
    assert recipe.noise is not None
    assert recipe.affine is None


def test_extending_replaces_whole_steps_and_keeps_the_others() -> None:
    recipe = build("extends: mr\nname: own\nflips: {probability: 1, axes: [left_right]}\nelastic: null\n")
    mr = read_recipe("mr")
    assert recipe.elastic is None
    assert recipe.flips is not None
    assert (recipe.affine, recipe.noise, recipe.description) == (mr.affine, mr.noise, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: own\nnois: {}\n", r"own\.yaml, line 2: unknown key 'nois'\. Did you mean 'noise'\?"),
        (
            "extends: mr\nname: own\nnoise:\n  prob: 1\n  std: [0.1, 0.2]\n",
            r"line 4: unknown key 'prob'\. Did you mean 'probability'\?",
        ),
        (
            "name: o\naffine: {probability: 1, rotation_deg: {left_rigth: 2}}\n",
            r"Did you mean 'left_right'\?",
        ),
        ("name: o\nnoise: {probability: 1, std: [2, 1]}\n", r"lower bound comes first\): found \[2, 1\]"),
        ("name: o\nnoise: {probability: 1.5, std: [1, 2]}\n", r"found 1\.5"),
        ("name: o\nelastic: {probability: 1, cells: 4, strength: 0.3}\n", r"found 0\.3"),
        ("name: o\nflips: {probability: 1, axes: [up_down]}\n", r"found 'up_down'"),
        (
            "extends: mri\nname: o\n",
            r"own\.yaml, line 1: there is no recipe 'mri' to extend\. Did you mean 'mr'\?",
        ),
        ("extends: mr\n", r"the key 'name' is missing"),
    ],
)
def test_wrong_recipes_say_line_and_fix(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build(text)


def test_unknown_name_says_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"no recipe 'xry'\. Did you mean 'xray'\?"):
        read_recipe("xry")
    with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read"):
        read_recipe("absent.yaml")
