"""Pipeline files: data, checked before anything runs; errors say line and fix."""

import sys
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.errors import SettingsError
from medpipe.core.settings import SettingsFile, parse_settings
from medpipe.runs.pipeline import (
    Pipeline,
    build_pipeline,
    find_pipeline,
    named_pipelines,
    pipeline_text,
    read_pipeline,
)
from medpipe.zoo.finder import shipped_folder

GOOD = """\
name: small
description: A test.
accepts:
  image: {modality: [CT], form: [volume], min_slices: 16}
stages:
  - use: load
  - use: measure
    mask: false
  - use: report
    formats: [html]
"""


def built(text: str = GOOD, *overrides: str, catalogue: dict[str, str] | None = None) -> Pipeline:
    settings = parse_settings(text, name="small.yaml")
    if catalogue is None:
        return build_pipeline(settings, overrides=overrides)
    return build_pipeline(settings, overrides=overrides, catalogue=catalogue)


def rebuilt(resolved: dict[str, Any]) -> Pipeline:
    stages = [{k: v for k, v in stage.items() if k != "version"} for stage in resolved["stages"]]
    return build_pipeline(SettingsFile("run.json", {**resolved, "stages": stages}, {}))


def params_of(pipeline: Pipeline, stage: str) -> dict[str, Any]:
    return next(spec.params.model_dump() for spec in pipeline.stages if spec.name == stage)


class TestGoodFile:
    def test_gives_typed_stages_in_order(self) -> None:
        pipeline = built()
        assert [spec.name for spec in pipeline.stages] == ["load", "measure", "report"]
        assert pipeline.accepts["image"].min_slices == 16
        assert params_of(pipeline, "measure")["mask"] is False

    def test_resolved_names_every_default_and_builds_the_same_again(self) -> None:
        resolved = built().resolved()
        assert resolved["stages"][1]["thin_to_mm"] == 2.0
        assert rebuilt(resolved).resolved() == resolved
        assert rebuilt(resolved).key() == built().key()

    def test_printed_pipeline_is_a_pipeline_file(self) -> None:
        assert built(pipeline_text(built())).resolved() == built().resolved()

    @pytest.mark.parametrize("name", sorted(named_pipelines()))
    def test_each_pipeline_that_comes_with_medpipe_is_valid(self, name: str) -> None:
        package = {"hippocampus": "hippocampus", "aki": "aki-icu", "head-ct": "head-ct"}.get(name)
        if package and not (shipped_folder() / package).is_dir():
            pytest.skip("its model package is not among those that come with medpipe")
        assert read_pipeline(name).name == name

    def test_is_found_by_path_or_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text(GOOD)
        assert find_pipeline(str(path)) == path
        assert find_pipeline("measure").name == "measure.yaml"

    def test_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(SettingsError, match=r"no pipeline 'mesure'.*Did you mean 'measure'"):
            find_pipeline("mesure")


class TestWrongFile:
    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("description", "descripton", "small.yaml, line 2: unknown key 'descripton'.*'description'"),
            ("    mask: false", "    masc: false", "small.yaml, line 8: unknown key 'masc'.*mean 'mask'"),
            ("modality", "modalty", "small.yaml, line 4: unknown key 'modalty'.*mean 'modality'"),
            ("use: measure", "use: mesure", "small.yaml, line 7: unknown stage 'mesure'.*mean 'measure'"),
            ("use: measure", "uses: measure", "small.yaml, line 7: the key 'use' is missing"),
            ("mask: false", "mask: perhaps", "small.yaml, line 8: 'mask' is not valid.*found 'perhaps'"),
            ("min_slices: 16", "min_slices: 0", "small.yaml, line 4: 'min_slices' is not valid.*found 0"),
            ("name: small", "name: ../small", "small.yaml, line 1: 'name' is not valid.*found '../small'"),
            ("[html]", "[docx]", "small.yaml, line 10.*found 'docx'"),
            ("description", "name", "small.yaml, line 2: a key stands twice: found 'name'"),
            ("    mask: false", "    mask: 1\n    mask: 0", "small.yaml, line 9: a key stands twice"),
            ("[CT], form: [volume]", "&all [CT], form: *all", "line 4: aliases are not allowed"),
            ("false", "!!python/object/apply:os.system [ls]", "line 8: tags are not allowed"),
            ("A test.", "!secret x", "line 2: tags are not allowed"),
            ("{modality", "!node {modality", "line 4: tags are not allowed"),
            ("name: small", "name: [small", "small.yaml, line .*not valid YAML"),
        ],
    )
    def test_error_names_line_and_fix(self, old: str, new: str, message: str) -> None:
        assert old in GOOD
        with pytest.raises(SettingsError, match=f"(?s){message}"):
            built(GOOD.replace(old, new, 1))

    @pytest.mark.parametrize("text", ["", "[]", "load", "name: x\nstages: []", "name: x\nstages: [load]"])
    def test_other_shapes_are_refused(self, text: str) -> None:
        with pytest.raises(SettingsError, match=r"small\.yaml"):
            built(text)

    def test_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"absent\.yaml cannot be read"):
            read_pipeline(tmp_path / "absent.yaml")


class TestOverrides:
    def test_replace_what_the_file_says(self) -> None:
        pipeline = built(GOOD, "measure.mask=true", "measure.thin_to_mm=3", "report.formats=[json]")
        assert params_of(pipeline, "measure")["mask"] is True
        assert params_of(pipeline, "measure")["thin_to_mm"] == 3.0
        assert params_of(pipeline, "report")["formats"] == ("json",)

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("mesure.mask=true", "--set mesure.mask=true: the pipeline has no stage 'mesure'.*'measure'"),
            ("measure.masc=true", "--set measure: unknown key 'masc'.*Did you mean 'mask'"),
            ("measure.mask=perhaps", "--set measure: 'mask' is not valid.*found 'perhaps'"),
            ("measure.mask", "--set takes stage.key=value: found 'measure.mask'"),
            ("mask=true", "--set takes stage.key=value: found 'mask=true'"),
            ("measure.=true", "--set takes stage.key=value"),
            ("measure.mask=[", "--set measure.mask=.*not valid YAML"),
            ("measure.mask=!!int x", "--set measure.mask=.*tags are not allowed"),
        ],
    )
    def test_wrong_ones_are_refused(self, override: str, message: str) -> None:
        with pytest.raises(SettingsError, match=f"(?s){message}"):
            built(GOOD, override)


STAGES = """
from medpipe.runs.stage import Good, Resource, Stage

class _Nothing(Stage):
    version = "1"
    resource = Resource.CPU
    takes = frozenset()
    gives = frozenset()
    def __init__(self, params): pass
    def __call__(self, case, context): return case

class Volumes(_Nothing):
    name = "volumes"
    takes = frozenset({Good.VOLUME})
    gives = frozenset({Good.MASKS})

class Masks(_Nothing):
    name = "masks"
    takes = frozenset({Good.MASKS})

class Views(_Nothing):
    name = "views"
    gives = frozenset({Good.VIEWS})

class Predict(_Nothing):
    name = "predict"
    answers = frozenset({Good.VIEWS})

class ReadRecords(_Nothing):
    name = "read-records"
    gives = frozenset({Good.RECORDS})

class Records(_Nothing):
    name = "records"
    takes = frozenset({Good.RECORDS})
"""


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "flow_stages.py").write_text(STAGES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "flow_stages", raising=False)
    own = {
        name: f"flow_stages:{kind}"
        for name, kind in {
            "volumes": "Volumes",
            "masks": "Masks",
            "views": "Views",
            "predict": "Predict",
            "read-records": "ReadRecords",
            "records": "Records",
        }.items()
    }
    return {"load": "medpipe.runs.stages.load:Load", **own}


def flow(form: str, *stages: str) -> str:
    accepts = f"accepts: {{image: {{form: [{form}]}}}}\n" if form else ""
    return f"name: flow\n{accepts}stages:\n" + "".join(f"  - use: {stage}\n" for stage in stages)


class TestFlow:
    @pytest.mark.parametrize(
        "text",
        [
            flow("volume", "load", "volumes"),
            flow("volume", "load", "volumes", "masks"),
            flow("", "read-records", "records"),
            flow("volume", "load", "views", "volumes", "predict", "predict"),
            flow("volume", "load", "views", "predict", "views", "predict"),
            flow("volume", "load", "predict"),
        ],
    )
    def test_stages_that_find_what_they_take_are_accepted(self, text: str, catalogue: dict[str, str]) -> None:
        assert built(text, catalogue=catalogue).name == "flow"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (flow("volume", "volumes", "load"), "line 4: .*'volumes' takes volume: found no stage before it"),
            (
                flow("volume, slices", "load", "volumes"),
                "'volumes' takes volume: found slices.*Change 'form'",
            ),
            (flow("planar", "load", "volumes"), "'volumes' takes volume: found planar"),
            (flow("volume", "load", "masks"), "line 5: the stage 'masks' needs masks"),
            (flow("volume", "load", "masks", "volumes"), "line 5: the stage 'masks' needs masks"),
            (flow("", "load", "volumes"), "'volumes' takes volume"),
            (flow("volume", "load", "views"), "line 5: the stage 'views' gives views: found no stage after"),
            (flow("volume", "load", "predict", "views"), "line 6: the stage 'views' gives views"),
            (flow("volume", "load", "views", "views", "predict"), "line 5: the stage 'views' gives views"),
            (flow("volume", "load", "views", "predict", "views"), "line 7: .*Put a model stage such as segm"),
            (flow("volume", "load", "records"), "'records' takes records"),
        ],
    )
    def test_stages_that_do_not_are_refused(self, text: str, message: str, catalogue: dict[str, str]) -> None:
        with pytest.raises(SettingsError, match=message):
            built(text, catalogue=catalogue)


class TestChanges:
    def test_nothing_changed(self) -> None:
        assert built().changed_stages(built().resolved()) == ()

    @pytest.mark.parametrize(
        ("old", "new", "changed"),
        [
            ("    mask: false\n", "", ("measure",)),
            ("min_slices: 16", "min_slices: 17", ("accepts",)),
            ("name: small", "name: other", ("name",)),
            ("  - use: report\n    formats: [html]\n", "", ("report (removed)",)),
            ("formats: [html]\n", "formats: [html]\n  - use: measure\n", ("measure",)),
        ],
    )
    def test_what_changed_is_named_and_the_key_differs(
        self, old: str, new: str, changed: tuple[str, ...]
    ) -> None:
        other = built(GOOD.replace(old, new, 1))
        assert other.changed_stages(built().resolved()) == changed
        assert other.key() != built().key()

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("A test.", "Other words."),
            ("  - use: load\n", "  - use: load  # a comment\n"),
            ("mask: false", "thin_to_mm: 2.0\n    mask: no"),
        ],
    )
    def test_words_comments_and_written_out_defaults_change_nothing(self, old: str, new: str) -> None:
        other = built(GOOD.replace(old, new, 1))
        assert other.changed_stages(built().resolved()) == ()
        assert other.key() == built().key()

    def test_stage_keys_follow_params_version_and_what_stands_before(self) -> None:
        load, measure, _ = built().stages
        assert measure.key(load.key("content")) == measure.key(load.key("content"))
        assert measure.key(load.key("content")) != measure.key(load.key("other"))
        other = built(GOOD, "measure.thin_to_mm=3").stages[1]
        assert other.key("before") != measure.key("before")
