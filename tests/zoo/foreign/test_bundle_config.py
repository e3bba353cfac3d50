"""Configurations as data: what is followed, and what is refused."""

from collections.abc import Mapping
from typing import Any

import pytest

from medpipe.core.errors import SettingsError
from medpipe.zoo.foreign.bundle_config import BundleConfig
from medpipe.zoo.foreign.refusals import Refusals


def value_of(data: Mapping[str, Any], key: str = "it") -> Any:
    """Return a value, or raise the error that its refusal leads to."""
    refusals = Refusals()
    config = BundleConfig(data, refusals)
    found = refusals.attempt(lambda: config.value(config.at(key), key))
    refusals.raise_any("refused")
    return found


class TestFollowed:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("$[1.5, 2]", [1.5, 2]),
            ("$-1", -1),
            ("$'a' 'b'", "ab"),
            ("$None", None),
            ("$ True", True),
            ("$torch.float32", "float32"),
            ("$np.float32", "float32"),
            ("plain @text $5", "plain @text $5"),
        ],
    )
    def test_literals(self, text: str, expected: object) -> None:
        assert value_of({"it": text}) == expected

    @pytest.mark.parametrize("reference", ["@a#b#1", "@a::b::1", "$@a#b#1"])
    def test_references_reach_into_mappings_and_lists(self, reference: str) -> None:
        assert value_of({"a": {"b": [3, "@c"]}, "c": "$7", "it": [reference]}) == [7]

    def test_keys_that_nothing_asked_for_are_known(self) -> None:
        config = BundleConfig({"a": "@b", "b": 1, "c": 2}, Refusals())
        config.value(config.at("a"), "a")
        assert config.unused == ("c",)


class TestRefused:
    @pytest.mark.parametrize(
        "text",
        [
            "$2 * 3",
            "$len(@a)",
            "$@a + 'x'",
            "$[x for x in ()]",
            "$__import__('os')",
            "$torch.load('x')",
            "$1 if @a else 2",
            "%other.json#a",
            "$(" * 5000,
        ],
    )
    def test_expressions(self, text: str) -> None:
        with pytest.raises(SettingsError, match=r"\(1\) it"):
            value_of({"it": text, "a": 1})

    def test_loop_is_written_out(self) -> None:
        with pytest.raises(SettingsError, match="a loop of references, a -> b#c -> a"):
            value_of({"it": "@a", "a": ["@b#c"], "b": {"c": "@a"}})

    def test_missing_reference_is_named(self) -> None:
        with pytest.raises(SettingsError, match="a#5: nothing"):
            value_of({"it": "@a#5", "a": [1]})

    def test_references_that_multiply_end(self) -> None:
        data = {f"a{level}": [f"@a{level + 1}"] * 10 for level in range(20)}
        with pytest.raises(SettingsError, match="more values than a configuration has"):
            value_of({**data, "a20": 1, "it": "@a0"})


class TestPrograms:
    @pytest.mark.parametrize(
        "text",
        [
            "$os.system('rm -rf ~')",
            "$import os; os.system('x')",
            "$from os import system",
            "$@evaluator.__class__",
            "$getattr(@a, 'x')",
            "$exec('1')",
            "$import subprocess",
            "$open('x')",
        ],
    )
    def test_named_wherever_they_stand(self, text: str) -> None:
        with pytest.raises(SettingsError, match=r"handlers#0#x: .*could run a program"):
            self.refuse({"handlers": [{"x": text}]})

    @pytest.mark.parametrize("target", ["os.system", "builtins.eval", "subprocess.run"])
    def test_targets_too(self, target: str) -> None:
        with pytest.raises(SettingsError, match=f"x#_target_: {target}"):
            self.refuse({"x": {"_target_": target}})

    @pytest.mark.parametrize(
        "text",
        [
            "$import os",
            "$os.path.join(@a, 'eval')",
            "$@network.eval()",
            "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
            "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
            "$setattr(torch.backends.cudnn, 'benchmark', True)",
            "open sys os",
        ],
    )
    def test_ordinary_words_of_the_zoo_are_not(self, text: str) -> None:
        self.refuse({"x": text})

    def refuse(self, data: Mapping[str, Any]) -> None:
        refusals = Refusals()
        BundleConfig(data, refusals).refuse_programs()
        refusals.raise_any("refused")
