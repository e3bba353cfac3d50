"""Risks of a stay as FHIR R4 RiskAssessment resources, each of one step.

Probabilities are in percent, as the standard has it (RiskAssessment.prediction.probability[x]). Nothing is a
diagnosis: the status is ``preliminary``, and a note says so.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from medpipe.core.errors import ShapeError
from medpipe.core.trajectory import StayTrajectory
from medpipe.io.atomic import write_text

SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
OUTCOME: Final = {"system": SNOMED, "code": "14669001", "display": "Acute kidney injury"}

_DECIMALS: Final = 4
"""Of a percentage: float32 holds no more."""

Resource = dict[str, Any]
"""A FHIR resource or element as JSON holds it."""


def risk_assessment(trajectory: StayTrajectory, step: int, *, origin: datetime | None = None) -> Resource:
    """Return the risks of one step, a prediction a horizon; those that are not known are left out.

    Args:
        trajectory: Of the stay. Its patient is referred to by the keyed id, never by an identifier.
        step: Index of the step.
        origin: The moment of hour 0 of the record, with its time zone; None where it is not known. With it
            the resource has a date and each prediction its period; without, each prediction has hours after
            the end of the step (``whenRange``), and the note tells when that was in the stay.

    Raises:
        ShapeError: There is no such step, or the origin has no time zone.

    Source:
        HL7 FHIR R4, RiskAssessment.
    """
    if not 0 <= step < len(trajectory.end_h):
        raise ShapeError("There is no such step in the stay", found=f"step {step} of {len(trajectory.end_h)}")
    if origin is not None and origin.tzinfo is None:
        raise ShapeError(
            "FHIR times need a time zone", found=origin.isoformat(), fix="Give the origin with one, or none."
        )
    at = None if origin is None else origin + timedelta(hours=trajectory.end_h[step])
    resource: Resource = {
        "resourceType": "RiskAssessment",
        "identifier": [{"value": _name(trajectory, step)}],
        "status": "preliminary",
        "subject": {"type": "Patient", "identifier": {"value": trajectory.patient_id}},
        "method": {"text": f"medpipe, package {trajectory.made_by.name} {trajectory.made_by.version}"},
        "prediction": [
            _prediction(trajectory, step, column, at)
            for column, risk in enumerate(trajectory.probs[step])
            if risk is not None
        ],
        "note": [{"text": _note(trajectory, step)}],
    }
    if at is not None:
        resource["occurrenceDateTime"] = _moment(at)
    return resource


def risk_bundle(
    trajectory: StayTrajectory, *, steps: Sequence[int] | None = None, origin: datetime | None = None
) -> Resource:
    """Return a collection of the risks of steps; those without any known risk are left out.

    Args:
        trajectory: Of the stay.
        steps: Indices of steps; None for all.
        origin: As of :func:`risk_assessment`.

    Raises:
        ShapeError: As :func:`risk_assessment`.
    """
    chosen = range(len(trajectory.end_h)) if steps is None else steps
    resources = [risk_assessment(trajectory, step, origin=origin) for step in chosen]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{uuid5(NAMESPACE_URL, resource['identifier'][0]['value'])}",
                "resource": resource,
            }
            for resource in resources
            if resource["prediction"]
        ],
    }


def write_risk_bundle(path: Path, trajectory: StayTrajectory, *, origin: datetime | None = None) -> None:
    """Write the risks of all steps as a JSON file.

    Args:
        path: The file; it appears once it is complete.
        trajectory: Of the stay.
        origin: As of :func:`risk_assessment`.

    Raises:
        ShapeError: The origin has no time zone.
        MachineError: Writing failed.
    """
    bundle = risk_bundle(trajectory, origin=origin)
    write_text(path, json.dumps(bundle, ensure_ascii=False, indent=1) + "\n")


def _prediction(trajectory: StayTrajectory, step: int, column: int, at: datetime | None) -> Resource:
    horizon_h, risk = trajectory.horizons_h[column], trajectory.probs[step][column]
    assert risk is not None  # by risk_assessment
    prediction: Resource = {
        "outcome": {"coding": [OUTCOME]},
        "probabilityDecimal": _percent(risk),
    }
    if at is None:
        prediction["whenRange"] = {"low": _hours(0.0), "high": _hours(horizon_h)}
    else:
        end = at + timedelta(hours=horizon_h)
        prediction["whenPeriod"] = {"start": _moment(at), "end": _moment(end)}
    if rationale := _interval(trajectory, step, column):
        prediction["rationale"] = rationale
    return prediction


def _interval(trajectory: StayTrajectory, step: int, column: int) -> str:
    """Return the interval in words: FHIR has room for a probability or a range, not for both."""
    if not trajectory.low:
        return ""
    low, high = trajectory.low[step][column], trajectory.high[step][column]
    if low is None or high is None:
        return ""
    kind = f" ({trajectory.interval})" if trajectory.interval else ""
    return f"Interval {_percent(low):g} to {_percent(high):g} %{kind}"


def _note(trajectory: StayTrajectory, step: int) -> str:
    hour = trajectory.end_h[step]
    sentences = [
        f"{trajectory.notice}.",
        f"Forecast {hour - trajectory.start_h:.10g} h after the stay began.",
    ]
    if hour in trajectory.alerts:
        threshold = f"{_percent(trajectory.threshold):g} %"
        sentences.append(f"Alert: risk within {trajectory.alert_horizon_h:g} h at or above {threshold}.")
    return " ".join(sentences)


def _name(trajectory: StayTrajectory, step: int) -> str:
    maker = f"{trajectory.made_by.name}-{trajectory.made_by.version}"
    parts = ("medpipe", maker, trajectory.patient_id, trajectory.stay, f"{trajectory.end_h[step]:.10g}h")
    return "/".join(part for part in parts if part)


def _percent(risk: float) -> float:
    return round(100 * risk, _DECIMALS)


def _hours(hours: float) -> Resource:
    return {"value": hours, "unit": "h", "system": UCUM, "code": "h"}


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
