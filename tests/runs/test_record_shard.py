"""A shard of patient records goes through the same machinery as a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from medpipe.runs.folder.state import State
from medpipe.runs.unit import Unit
from medpipe.runs.workers.outcome import Outcome
from medpipe.runs.workers.pool import PoolSettings, WorkerPool
from medpipe.runs.workers.processor import Processor

if TYPE_CHECKING:
    from tests.runs.conftest import ToyRun


def write_events(path: Path, highest: float = 180.0) -> Path:
    """Write creatinine values of two patients."""
    table = pa.table(
        {
            "patient": ["pt-a", "pt-a", "pt-b"],
            "time_h": [0.0, 24.0, 1.0],
            "code": ["creatinine"] * 3,
            "value": [80.0, highest, 95.0],
        }
    )
    pyarrow.parquet.write_table(table, path)
    return path


def shard(path: Path, name: str = "shard-0001") -> Unit:
    return Unit(name, path.name, files=(str(path),))


def maxima(run: "ToyRun", name: str = "shard-0001") -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pyarrow.parquet.read_table(
        run.studies / name / "tables" / "maxima.parquet"
    ).to_pydict()
    return columns


def test_ends_as_parquet_in_its_study_folder(toy_run: "ToyRun", tmp_path: Path) -> None:
    processor = Processor(toy_run.settings(toy_run.pipeline("read-records", "maxima", form="")))
    processor.open()
    outcome = processor.process(shard(write_events(tmp_path / "events.parquet")))
    assert (outcome.state, outcome.num_images, outcome.form) == (State.DONE, 0, "")
    assert maxima(toy_run) == {"patient": ["pt-a", "pt-b"], "maximum": [180.0, 95.0]}


def test_changed_file_is_computed_again(toy_run: "ToyRun", tmp_path: Path) -> None:
    processor = Processor(toy_run.settings(toy_run.pipeline("read-records", "maxima", form="")))
    processor.open()
    path = tmp_path / "events.parquet"
    processor.process(shard(write_events(path)))
    processor.process(shard(path))
    assert toy_run.calls() == [
        "read-records shard-0001",
        "maxima shard-0001",
        "read-records shard-0001",
    ]
    processor.process(shard(write_events(path, highest=240.0)))
    assert maxima(toy_run)["maximum"] == [240.0, 95.0]


def test_file_that_is_gone_fails_the_shard_alone(toy_run: "ToyRun", tmp_path: Path) -> None:
    processor = Processor(toy_run.settings(toy_run.pipeline("read-records", "maxima", form="")))
    processor.open()
    assert processor.process(shard(tmp_path / "absent.parquet")).state is State.FAILED
    assert processor.process(shard(write_events(tmp_path / "events.parquet"), "b")).state is State.DONE


@pytest.mark.slow
def test_goes_through_the_pool(toy_run: "ToyRun", tmp_path: Path) -> None:
    ended: dict[str, Outcome] = {}
    pool = WorkerPool(
        PoolSettings(("cpu",), 1, toy_run.folder / "logs", time_limit_s=None, max_attempts=2),
        toy_run.settings(toy_run.pipeline("read-records", "maxima", form="")),
        on_begin=lambda unit, attempt, device: True,
        on_end=lambda unit, attempt, device, outcome: ended.update({unit.id: outcome}),
    )
    path = write_events(tmp_path / "events.parquet")
    pool.run([shard(path, "shard-0001"), shard(path, "shard-0002")])
    assert {name: outcome.state for name, outcome in ended.items()} == {
        "shard-0001": State.DONE,
        "shard-0002": State.DONE,
    }
    assert maxima(toy_run, "shard-0002") == maxima(toy_run)
