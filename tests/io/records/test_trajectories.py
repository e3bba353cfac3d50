"""Files of trajectories: what is written is read, and what is not one is refused."""

from pathlib import Path

import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Maker
from medpipe.core.trajectory import StayTrajectory
from medpipe.io.records.trajectories import read_trajectory, write_trajectory

STAY = StayTrajectory(
    patient_id="p-µ",
    horizons_h=(48.0,),
    end_h=(6.0, 12.0),
    probs=((0.1 + 0.2,), (None,)),
    alert_horizon_h=48.0,
    threshold=0.25,
    alerts=(6.0,),
    made_by=Maker(name="aki", version="1.0.0"),
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stay.json"
    write_trajectory(path, STAY)
    assert read_trajectory(path) == STAY
    assert [item.name for item in tmp_path.iterdir()] == ["stay.json"]


def test_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"none\.json cannot be read: found No such file") as caught:
        read_trajectory(tmp_path / "none.json")
    assert caught.value.code == Code.E_UNREADABLE


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "EOF"),
        (b"{}", "patient_id"),
        (b"\xff\xfe", "stay.json is not valid"),
        (STAY.to_json().encode()[:40], "EOF"),
        (STAY.to_json().replace('"alerts":[6.0]', '"alerts":[7.0]').encode(), "7 h, where no step ends"),
        (STAY.to_json().replace('"1.0"', '"2.0"', 1).encode(), "schema_version.*written as schema 2.0"),
    ],
)
def test_what_is_no_trajectory_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "stay.json"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=words) as caught:
        read_trajectory(path)
    assert caught.value.code == Code.E_HEADER
    assert "p-µ" not in str(caught.value)
