"""Pipelines of toy stages, for this process and for workers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.settings import SettingsFile
from medpipe.io.study_folder import Provenance
from medpipe.runs.pipeline import Pipeline, build_pipeline
from medpipe.runs.workers.messages import ProcessorSettings

TOY_FOLDER = Path(__file__).parent
TOY_MODULE = "toy_stages"


@dataclass(frozen=True)
class ToyRun:
    """A place for a run of toy stages.

    Attributes:
        folder: Holds ``studies``, ``work`` and ``logs``.
    """

    folder: Path

    def pipeline(self, *stages: str | tuple[str, dict[str, Any]], form: str = "volume") -> Pipeline:
        """Build a pipeline of toy stages, each a name or a name with parameters."""
        named = [(stage, {}) if isinstance(stage, str) else stage for stage in stages]
        data = {
            "name": "toy",
            "accepts": {"image": {"form": [form]}} if form else {},
            "stages": [{"use": name, **params} for name, params in named],
        }
        catalogue: dict[str, str] = import_module(TOY_MODULE).CATALOGUE
        return build_pipeline(SettingsFile("toy.yaml", data, {}), catalogue=catalogue)

    def settings(self, pipeline: Pipeline, **changes: Any) -> ProcessorSettings:
        """Return what a processor needs."""
        provenance = Provenance(pipeline=pipeline.name, medpipe="0")
        fields = {"device": "cpu", "seed": 0, "provenance": provenance, **changes}
        return ProcessorSettings(pipeline, self.studies, self.folder / "work", **fields)

    @property
    def studies(self) -> Path:
        """Folder of the finished study folders."""
        return self.folder / "studies"

    def calls(self) -> list[str]:
        """Return ``"stage unit"`` of each call since the last question."""
        path = Path(os.environ["TOY_CALLS"])
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def content(self, unit_id: str) -> dict[str, bytes]:
        """Return every file of a study folder by relative path."""
        folder = self.studies / unit_id
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def make_toy_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ToyRun]:
    """Return a maker of places for toy runs; this process and its workers can import the toy stages."""
    monkeypatch.syspath_prepend(TOY_FOLDER)
    monkeypatch.setenv("PYTHONPATH", str(TOY_FOLDER))
    monkeypatch.setenv("TOY_CALLS", str(tmp_path / "calls"))
    import_module(TOY_MODULE)

    def make(name: str) -> ToyRun:
        for part in ("studies", "work", "logs"):
            (tmp_path / name / part).mkdir(parents=True)
        return ToyRun(tmp_path / name)

    return make


@pytest.fixture
def toy_run(make_toy_run: Callable[[str], ToyRun]) -> ToyRun:
    """Return a place for a toy run."""
    return make_toy_run("run")
