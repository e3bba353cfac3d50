"""Pipelines over health records: what they take, and what is refused before any work."""

from pathlib import Path
from typing import Any

import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import SettingsFile
from medpipe.runs.pipeline import PipelineInput, build_pipeline


def pipeline_file(package: Path | str, **changes: Any) -> SettingsFile:
    stages = [{"use": "aki", "package": str(package)}]
    return SettingsFile("p.yaml", {"name": "p", "input": "records", "stages": stages, **changes}, {})


class TestPipelineFile:
    def test_records_are_its_input(self, kidney_package: Path) -> None:
        pipeline = build_pipeline(pipeline_file(kidney_package))
        assert pipeline.input is PipelineInput.RECORDS
        assert pipeline.resolved()["input"] == "records"

    def test_images_have_no_place_in_it(self, kidney_package: Path) -> None:
        with pytest.raises(SettingsError, match="accepts no images: found image"):
            build_pipeline(pipeline_file(kidney_package, accepts={"image": {}}))
        stages = [{"use": "aki", "package": str(kidney_package)}, {"use": "measure"}]
        with pytest.raises(SettingsError, match=r"'measure' takes .*: found records"):
            build_pipeline(pipeline_file(kidney_package, stages=stages))

    def test_images_do_not_go_through_it(self, kidney_package: Path) -> None:
        with pytest.raises(SettingsError, match=r"takes records.*Write 'input: records'"):
            build_pipeline(pipeline_file(kidney_package, input="studies"))

    def test_wrong_parameters_are_told_before_any_work(self, kidney_package: Path) -> None:
        for params, message in (
            ({"horizon_h": 12}, "12 h ahead: found 24, 48"),
            ({"horizon_h": 24}, "no threshold for 24 h"),
            ({"predicates": "wart"}, "no predicates 'wart'"),
        ):
            stages = [{"use": "aki", "package": str(kidney_package), **params}]
            with pytest.raises(SettingsError, match=message) as told:
                build_pipeline(pipeline_file(kidney_package, stages=stages))
            assert told.value.code in (Code.E_SETTINGS, Code.E_PACKAGE)
