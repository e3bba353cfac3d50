"""The shipped pipeline ``aki``, from a table of events to risks of made-up stays in intensive care."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medpipe.runs.identity import Names
from medpipe.runs.kidney_shards.run import aki
from medpipe.runs.options import RunOptions
from medpipe.zoo.finder import shipped_folder

pytestmark = pytest.mark.skipif(
    not (shipped_folder() / "aki-icu").is_dir(),
    reason="the model package 'aki-icu' is not among those that come with medpipe",
)

DRY_FROM_H = 12


def write_stays(path: Path) -> Path:
    """Write two stays of 48 h: one makes 1 mL/kg/h of urine throughout, the other 0.3 from hour 12 on."""
    rows = ["patient,time,code,value,unit"]
    for patient in ("dry", "well"):
        rows += [f"{patient},{hour},creatinine,80,umol/L" for hour in (0, 24, 48)]
        rows.append(f"{patient},0,weight,80,kg")
        for hour in range(1, 49):
            volume_ml = 24 if patient == "dry" and hour > DRY_FROM_H else 80
            rows.append(f"{patient},{hour},urine,{volume_ml},mL")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("aki")
    options = RunOptions(device="cpu", workers=0, names=Names.ORIGINAL)
    aki(write_stays(folder / "events.csv"), folder / "out", options=options, predicates="plain")
    return folder / "out"


def rows_of(run: Path, table: str) -> list[dict[str, object]]:
    (path,) = run.glob(f"studies/*/tables/{table}.parquet")
    found: list[dict[str, object]] = pq.read_table(path).to_pylist()
    return found


def test_too_little_urine_is_a_risk_before_it_is_an_injury(done: Path) -> None:
    risks = {
        (row["subject_id"], row["time_h"]): row["probability"]
        for row in rows_of(done, "predictions")
        if row["horizon_h"] == 12
    }
    before, dry, well = (risks[key] for key in (("dry", 12.0), ("dry", 16.0), ("well", 16.0)))
    assert before == well  # nothing that comes later is known
    assert dry > 1.5 * well


def test_injury_is_known_by_urine(done: Path) -> None:
    stays = {row["subject_id"]: row for row in rows_of(done, "stays")}
    assert stays["dry"]["onset_h"] == 17  # 1 h of 80 mL and 5 of 24: 0.42 mL/kg/h
    assert stays["well"]["onset_h"] is None
    well, dry = (float(str(stays[name]["highest_risk"])) for name in ("well", "dry"))
    assert well < dry
