"""A shard of patients, good and bad: who is refused, what is counted, what the tables hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.findings import CodedConcept, Maker
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.patient_record import PatientRecord
from medpipe.ehr.baseline import BaselineRule
from medpipe.ehr.bucketing import step_ends
from medpipe.ehr.hospital_stays import hospital_stays
from medpipe.ehr.kidney_labels import KidneyRule, series_of
from medpipe.ehr.mapping import PLAIN, read_predicates
from medpipe.inference.kidney import Driver, StayRisks
from medpipe.io.records.predictions import make_predictions
from medpipe.io.records.raw_patient import Labels, RawPatient
from medpipe.metrics.alert_policy import AlertPolicy
from medpipe.runs.kidney_shards.policy import AlertChoice
from medpipe.runs.kidney_shards.shard import ShardRequest, ShardWork
from medpipe.runs.kidney_shards.stay_forecast import Outcome
from medpipe.zoo.manifest import SeenStays

HORIZONS_H = (24.0, 48.0)
CREATININE = ForecastLab(
    name="creatinine", code=CodedConcept(scheme="LN", value="14682-9", meaning="Creatinine"), unit="umol/L"
)


@dataclass(frozen=True)
class ToyForecaster:
    """The risk is the last creatinine over 400 umol/L, within 48 h as within 24 h."""

    horizons_h: tuple[float, ...] = HORIZONS_H
    labs: tuple[ForecastLab, ...] = (CREATININE,)
    codes: tuple[str, ...] = ()
    batches: list[int] = field(default_factory=list)

    def forecast_many(self, records: Sequence[PatientRecord]) -> list[tuple[StayRisks, ...]]:
        self.batches.append(len(records))
        return [tuple(self._stays(record)) for record in records]

    def drivers(self, record: PatientRecord, stay: StayRisks, step: int, horizon: int) -> Any:
        return (Driver("creatinine", 1.5), Driver("urea", 0.0))

    def _stays(self, record: PatientRecord) -> Any:
        creatinine = series_of(record, "creatinine")
        for stay in hospital_stays(record):
            end_h = step_ends(stay.admission_h, stay.end_h, 6.0)
            if not len(end_h):
                continue
            place = np.searchsorted(creatinine.time_h, end_h, side="right")
            last = np.append(0.0, creatinine.values)[place]
            probs = np.repeat((last / 400)[:, None], len(self.horizons_h), axis=1).clip(0, 1)
            maxima = np.repeat(last[:, None, None], len(self.horizons_h), axis=1)
            yield StayRisks(
                stay.id,
                stay.admission_h,
                end_h,
                probs,
                probs * 0.9,
                (probs * 1.1).clip(0, 1),
                probs,
                maxima,
            )


def request(**changes: Any) -> ShardRequest:
    facts: dict[str, Any] = {
        "choice": AlertChoice(1, 48.0, AlertPolicy(0.5, 24.0)),
        "rule": KidneyRule(BaselineRule.ADMISSION, horizons_h=HORIZONS_H),
        "outcome": Outcome.KDIGO,
        "patients": (),
        "most_trajectories": 10,
        "seen": SeenStays(patients=1, stays=1, ages=(18, 99), steps=10_000),
        "made_by": Maker(name="toy", version="1.0.0"),
    }
    return ShardRequest(**{**facts, **changes})


def raw(patient: str, *rows: tuple[Any, ...], **statics: Any) -> RawPatient:
    """Return a patient from (hour, code, value, unit)."""
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return RawPatient(
        patient_id=patient,
        time_h=np.array(columns[0], dtype=np.float64),
        codes=np.array(columns[1], dtype=object),
        values=np.array(columns[2], dtype=np.float64),
        units=np.array(columns[3], dtype=object),
        origin=statics.pop("origin", None),
        labels=statics.pop("labels", None),
        statics=statics,
    )


def course(patient: str, *values: float, unit: str = "umol/L", **statics: Any) -> RawPatient:
    """Return a stay of 48 h with a creatinine each 12 h."""
    rows = [(12.0 * number, "creatinine", value, unit) for number, value in enumerate(values)]
    return raw(patient, *rows, (48.0, "heart_rate", 80.0, "/min"), **statics)


def work_on(*patients: RawPatient, **changes: Any) -> ShardWork:
    done = ShardWork(ToyForecaster(), request(**changes), read_predicates(PLAIN), "long_csv")  # type: ignore[arg-type]
    done.add(patients)
    return done


def rows(work: ShardWork, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = work.tables.finished()[table].to_pylist()
    return found


class TestGoodPatients:
    def test_predictions_are_those_that_an_evaluation_reads(self) -> None:
        work = work_on(course("a", 80, 80, 80, 80), course("b", 80, 80, 200, 240))
        table = work.tables.finished()["predictions"]
        read = make_predictions({name: table[name].combine_chunks() for name in table.column_names})
        assert list(read.subjects) == ["a", "b"]
        assert read.outcomes == ((None, 24), (None, 48))
        of_b = [row for row in table.to_pylist() if row["subject_id"] == "b" and row["horizon_h"] == 24]
        assert [row["time_h"] for row in of_b] == [6.0, 12.0, 18.0, 24.0, 30.0, 36.0, 42.0, 48.0]
        # 200 at 24 h is 2.5 times the first: an injury begins, and from then on it is there.
        assert [row["label"] for row in of_b[:3]] == [1.0, 1.0, 1.0]
        assert all(np.isnan(row["label"]) for row in of_b[3:])
        assert [row["onset_h"] for row in of_b[:3]] == [24.0, 24.0, 24.0]
        assert of_b[3]["probability"] == pytest.approx(0.5)

    def test_alerts_stays_and_maxima(self) -> None:
        work = work_on(course("a", 80, 80, 80, 80), course("b", 80, 80, 200, 240))
        # 0.5 at 24 h, again allowed at 48 h, with 240 / 400.
        assert [(row["subject_id"], row["time_h"], row["probability"]) for row in rows(work, "alerts")] == [
            ("b", 24.0, pytest.approx(0.5)),
            ("b", 48.0, pytest.approx(0.6)),
        ]
        stays = {row["subject_id"]: row for row in rows(work, "stays")}
        assert (stays["b"]["alerts"], stays["b"]["first_alert_h"], stays["b"]["onset_h"]) == (2, 24.0, 24.0)
        assert (stays["a"]["alerts"], stays["a"]["first_alert_h"], stays["a"]["onset_h"]) == (0, None, None)
        labs = rows(work, "labs")
        assert len(labs) == 2 * 8 * 2
        assert {(row["lab"], row["unit"]) for row in labs} == {("creatinine", "umol/L")}
        assert [row["value"] for row in labs if row["subject_id"] == "b"][-1] == 240.0

    def test_later_record_of_a_patient_goes_on_with_its_clock(self) -> None:
        first = course("a", 80, 80, origin=np.datetime64("2100-01-01T00:00:00"), stay="x")
        second = course("a", 90, 90, origin=np.datetime64("2100-01-11T00:00:00"), stay="y")
        stays = rows(work_on(first, second), "stays")
        assert [(row["stay"], row["start_h"]) for row in stays] == [("x", 0.0), ("y", 240.0)]

    def test_source_labels_are_taken_where_asked(self) -> None:
        labels = Labels(np.array([6.0, 12.0, 18.0]), np.array([False, True, True]))
        patient = course("a", 80, 80, labels=labels)
        rule = KidneyRule(BaselineRule.ADMISSION, horizons_h=(6.0,))
        forecaster = ToyForecaster(horizons_h=(6.0,))
        choice = AlertChoice(0, 6.0, AlertPolicy(0.5))
        asked = request(outcome=Outcome.SOURCE, rule=rule, choice=choice)
        work = ShardWork(forecaster, asked, read_predicates(PLAIN), "yaib")  # type: ignore[arg-type]
        work.add([patient])
        told = [row["label"] for row in rows(work, "predictions")]
        assert told[:3] == [0.0, 1.0, 1.0]
        assert np.isnan(told[3:]).all()

    def test_without_creatinine_or_wish_no_label_is_known(self) -> None:
        nothing = raw("a", (0.0, "heart_rate", 80.0, "/min"), (48.0, "heart_rate", 80.0, "/min"))
        for work in (work_on(nothing), work_on(course("a", 80, 200), outcome=Outcome.NONE)):
            assert all(np.isnan(row["label"]) for row in rows(work, "predictions"))

    def test_trajectories_of_the_highest_risks_and_of_named_patients(self) -> None:
        patients = [course("calm", 80, 80), course("ill", 80, 220), course("worse", 80, 320)]
        work = work_on(*patients, most_trajectories=1, patients=("calm",))
        calm, worse = work.trajectories()
        assert (calm.patient_id, calm.alerts) == ("calm", ())
        assert worse.patient_id == "worse"
        # 320 at 12 h: the first alert; the next is allowed at 36 h.
        assert worse.alerts == (12.0, 36.0)
        assert [(onset.hour, onset.stage) for onset in worse.onsets] == [(12.0, 3)]
        assert [course.name for course in worse.measured] == ["creatinine"]
        (drivers,) = worse.drivers
        assert (drivers.hour, [item.variable for item in drivers.drivers]) == (12.0, ["creatinine"])
        assert drivers.drivers[0].value == 320.0
        assert work_on(*patients, most_trajectories=0).trajectories() == []


class TestBadPatients:
    def test_refused_patient_is_listed_and_the_others_go_on(self) -> None:
        work = work_on(course("good", 80, 80), course("unborn", 80, 80, age=-3.0), course("too", 90, 90))
        assert [row["subject_id"] for row in rows(work, "stays")] == ["good", "too"]
        (refused,) = work.counts.data()["refused"]
        assert (refused["patient"], refused["code"]) == ("unborn", "E_RECORD")
        assert "Birth lies after admission" in refused["message"]
        (flagged,) = work.counts.flags()
        assert flagged.flag is Code.W_PATIENTS
        assert flagged.message.startswith("1 of 3 records are refused")

    def test_creatinine_that_cannot_be_is_left_out_and_counted(self) -> None:
        patient = raw(
            "a",
            (0.0, "creatinine", 0.0, "mg/dL"),
            (6.0, "creatinine", 138.0, "mg/dL"),
            (12.0, "creatinine", 1.0, "mg/dL"),
            (18.0, "creatinine", 90.0, "umol/L"),
            (24.0, "heart_rate", 80.0, "/min"),
        )
        work = work_on(patient, patients=("a",))
        data = work.counts.data()
        assert data["out_of_limits"] == {"creatinine": 2}
        # 1 mg/dL is 88.4 umol/L; what was in umol/L stays as it is.
        ((measured,),) = [trajectory.measured for trajectory in work.trajectories()]
        assert measured.values == (pytest.approx(88.4), 90.0)
        assert data["rows"]["read"] == data["rows"]["kept"] + sum(data["rows"]["left_out"].values())

    def test_order_of_rows_and_repeats_change_nothing(self) -> None:
        sorted_rows = [(6.0 * number, "creatinine", 80.0 + number, "umol/L") for number in range(9)]
        shuffled = [sorted_rows[place] for place in (5, 0, 8, 2, 7, 1, 3, 6, 4, 4, 0)]
        one, other = work_on(raw("a", *sorted_rows)), work_on(raw("a", *shuffled))
        for name in ("predictions", "labs", "stays"):
            assert str(rows(one, name)) == str(rows(other, name))
        assert rows(one, "stays")[0]["steps"] == 8
        assert other.counts.data()["rows"]["left_out"]["duplicates"] == 2

    def test_unknown_codes_and_units_are_counted_by_name(self) -> None:
        patient = raw(
            "a",
            (0.0, "creatinine", 80.0, "umol/L"),
            (1.0, "creatinine", 80.0, "furlong"),
            (2.0, "star_sign", 3.0, ""),
            (3.0, "star_sign", 3.0, ""),
            (12.0, "heart_rate", 80.0, "/min"),
        )
        work = work_on(patient)
        data = work.counts.data()
        assert data["unknown_codes"] == {"star_sign": 2}
        assert data["unknown_units"] == {"creatinine [furlong]": 1}
        assert [item.flag for item in work.counts.flags()] == [Code.W_UNIT]

    def test_stay_without_a_lab_is_flagged_and_forecast(self) -> None:
        nothing = raw("a", (0.0, "heart_rate", 80.0, "/min"), (48.0, "heart_rate", 80.0, "/min"))
        work = work_on(nothing)
        assert [item.flag for item in work.counts.flags()] == [Code.W_NO_LABS]
        assert len(rows(work, "stays")) == 1

    def test_stay_shorter_than_a_step_and_patient_without_rows(self) -> None:
        work = work_on(raw("short", (0.0, "creatinine", 80.0, "umol/L")), raw("empty"))
        data = work.counts.data()
        assert (data["patients"], data["stays"], data["records_without_steps"]) == (2, 0, 2)
        assert len(work.tables.finished()["predictions"]) == 0

    def test_stays_beyond_the_training_are_flagged(self) -> None:
        work = work_on(course("old", 80, 80, age=101.0), course("a", 80, 80, age=50.0))
        (flagged,) = work.counts.flags()
        assert flagged.flag is Code.W_UNSEEN
        assert flagged.found == "1 of another age than 18 to 99 years"

    @pytest.mark.slow
    def test_stay_of_100_000_rows(self) -> None:
        count = 100_000
        patient = RawPatient(
            patient_id="a",
            time_h=np.linspace(0, 240, count),
            codes=np.where(np.arange(count) % 2, "heart_rate", "creatinine").astype(object),
            values=np.full(count, 80.0),
            units=np.where(np.arange(count) % 2, "/min", "umol/L").astype(object),
        )
        work = work_on(patient, course("b", 80, 80))
        assert work.counts.data()["rows"]["kept"] == count + 3
        assert [row["steps"] for row in rows(work, "stays")] == [40, 8]
