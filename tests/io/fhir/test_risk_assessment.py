"""Risks as FHIR: percent, hours or periods, and resources that fhir.resources accepts."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.findings import NOT_FOR_DIAGNOSIS, Maker
from medpipe.core.trajectory import StayTrajectory
from medpipe.io.fhir.risk_assessment import OUTCOME, risk_assessment, risk_bundle, write_risk_bundle
from medpipe.tasks.kidney import AKI

ORIGIN = datetime(2026, 3, 28, 23, 30, tzinfo=timezone(timedelta(hours=1)))
STAY = StayTrajectory(
    patient_id="p-1/µ",
    stay="2",
    start_h=4.0,
    horizons_h=(24.0, 48.0),
    end_h=(10.0, 16.0, 22.0),
    probs=((0.05, None), (0.2, 0.123456789), (None, None)),
    low=((0.05, None), (0.1, 0.1), (None, None)),
    high=((0.05, None), (0.3, 0.2), (None, None)),
    interval="spread of networks",
    alert_horizon_h=48.0,
    threshold=0.12,
    alerts=(16.0,),
    made_by=Maker(name="aki", version="1.0.0"),
)


def test_step_is_preliminary_coded_and_in_percent() -> None:
    found = risk_assessment(STAY, 1)
    assert found["status"] == "preliminary"
    assert found["subject"] == {"type": "Patient", "identifier": {"value": "p-1/µ"}}
    assert found["method"]["text"] == "medpipe, package aki 1.0.0"
    assert [item["probabilityDecimal"] for item in found["prediction"]] == [20.0, 12.3457]
    assert found["prediction"][0]["outcome"]["coding"] == [OUTCOME]
    assert found["prediction"][0]["rationale"] == "Interval 10 to 30 % (spread of networks)"
    assert "basis" not in found
    assert (OUTCOME["code"], OUTCOME["display"]) == (AKI.value, AKI.meaning)


def test_note_says_what_it_is_for_and_when_it_was() -> None:
    (note,) = risk_assessment(STAY, 1)["note"]
    assert NOT_FOR_DIAGNOSIS in note["text"]
    assert "Forecast 12 h after the stay began" in note["text"]
    assert "Alert: risk within 48 h at or above 12 %" in note["text"]
    assert "Alert" not in risk_assessment(STAY, 0)["note"][0]["text"]


def test_without_an_origin_there_are_hours_and_no_date() -> None:
    found = risk_assessment(STAY, 0)
    assert "occurrenceDateTime" not in found
    (prediction,) = found["prediction"]  # the risk within 48 h is not known
    assert (prediction["whenRange"]["low"]["value"], prediction["whenRange"]["high"]["value"]) == (0.0, 24.0)
    assert prediction["whenRange"]["high"]["code"] == "h"


def test_with_an_origin_there_are_moments_with_their_zone() -> None:
    found = risk_assessment(STAY, 0, origin=ORIGIN)
    assert found["occurrenceDateTime"] == "2026-03-29T09:30:00+01:00"
    period = {"start": "2026-03-29T09:30:00+01:00", "end": "2026-03-30T09:30:00+01:00"}
    assert found["prediction"][0]["whenPeriod"] == period
    assert "whenRange" not in found["prediction"][0]


def test_bundle_leaves_out_steps_without_a_risk() -> None:
    entries = risk_bundle(STAY)["entry"]
    assert [entry["resource"]["identifier"][0]["value"] for entry in entries] == [
        "medpipe/aki-1.0.0/p-1/µ/2/10h",
        "medpipe/aki-1.0.0/p-1/µ/2/16h",
    ]
    assert len({entry["fullUrl"] for entry in entries}) == 2
    assert len(risk_bundle(STAY, steps=(1,))["entry"]) == 1


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(ShapeError, match="step 3 of 3"):
        risk_assessment(STAY, 3)
    with pytest.raises(ShapeError, match="time zone: found 2026-03-28T23:30:00"):
        risk_assessment(STAY, 0, origin=ORIGIN.replace(tzinfo=None))


@pytest.mark.parametrize("origin", [None, ORIGIN])
def test_fhir_resources_accepts_the_file(tmp_path: Path, origin: datetime | None) -> None:
    bundles: Any = pytest.importorskip("fhir.resources.R4B.bundle")
    path = tmp_path / "risks.json"
    write_risk_bundle(path, STAY, origin=origin)
    bundle = bundles.Bundle.model_validate_json(path.read_bytes())
    assert float(bundle.entry[1].resource.prediction[1].probabilityDecimal) == 12.3457
    assert bundle.entry[0].resource.get_resource_type() == "RiskAssessment"
    broken = json.loads(path.read_text())
    del broken["entry"][0]["resource"]["subject"]
    with pytest.raises(ValueError, match="subject"):
        bundles.Bundle.model_validate(broken)
