"""A shard on its way from raw rows to forecasts, some patients at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from medpipe.core.errors import RefusedError
from medpipe.core.findings import Maker
from medpipe.core.patient_record import PatientRecord
from medpipe.core.trajectory import StayTrajectory
from medpipe.ehr.coded_events import with_codes
from medpipe.ehr.harmonise import Harmonised, RefusedPatient, harmonise
from medpipe.ehr.hospital_stays import HospitalStay, hospital_stays
from medpipe.ehr.kidney_labels import KidneyRule
from medpipe.ehr.mapping import Predicates
from medpipe.io.records.raw_patient import AGE, RawPatient, hours_since
from medpipe.runs.kidney_shards.counts import ShardCounts
from medpipe.runs.kidney_shards.policy import AlertChoice
from medpipe.runs.kidney_shards.stay_forecast import Outcome, StayForecast, known_truth
from medpipe.runs.kidney_shards.tables import ShardTables
from medpipe.runs.kidney_shards.trajectories import TrajectoryChoice, trajectory_of
from medpipe.zoo.manifest import SeenStays

if TYPE_CHECKING:
    from medpipe.inference.kidney import KidneyForecaster, StayRisks

_YEAR_H: Final = 365.25 * 24


@dataclass(frozen=True)
class ShardRequest:
    """How shards are worked on.

    Attributes:
        choice: What alerts are of.
        rule: What counts as kidney injury where outcomes are told by KDIGO.
        outcome: Which outcomes.
        patients: Those who get a trajectory in any case.
        most_trajectories: Further stays of a shard that get one.
        seen: What the model was trained on.
        made_by: The model.
    """

    choice: AlertChoice
    rule: KidneyRule
    outcome: Outcome
    patients: tuple[str, ...]
    most_trajectories: int
    seen: SeenStays
    made_by: Maker


class ShardWork:
    """One shard: takes groups of raw records, keeps tables, counts and the stays that get a trajectory."""

    def __init__(
        self, forecaster: "KidneyForecaster", request: ShardRequest, predicates: Predicates, source: str
    ) -> None:
        self._forecaster = forecaster
        self._request = request
        self._predicates = predicates
        self._origins: dict[str, np.datetime64] = {}
        self.tables = ShardTables(forecaster.horizons_h, forecaster.labs, request.choice)
        self.counts = ShardCounts(request.made_by, request.choice, source, predicates.name)
        self._trajectories = TrajectoryChoice(request.patients, request.most_trajectories, request.choice)

    def add(self, group: Sequence[RawPatient]) -> None:
        """Work on some records; those that are refused are counted and the others go on."""
        known: list[Harmonised] = []
        for raw in group:
            self.counts.patients.add(raw.patient_id)
            self.counts.records += 1
            try:
                known.append(self._harmonised(raw))
            except RefusedError as error:
                self.counts.refused.append(RefusedPatient(raw.patient_id, raw.num_rows, error))
        forecasts = self._forecaster.forecast_many([each.record for each in known])
        for each, risks in zip(known, forecasts, strict=True):
            self._take(each, risks)

    def _harmonised(self, raw: RawPatient) -> Harmonised:
        known = harmonise(raw, self._predicates)
        if not self._forecaster.codes:
            return known
        return replace(known, record=with_codes(known.record, raw))

    def _take(self, known: Harmonised, forecasts: Sequence["StayRisks"]) -> None:
        record, counts = known.record, self.counts
        counts.rows += known.counts
        counts.without_steps += not forecasts
        stays = {stay.id: stay for stay in hospital_stays(record)}
        for risks in forecasts:
            item = self._item(known, stays[risks.stay_id], risks)
            self.tables.add(item)
            self._trajectories.add(item)
            counts.stays += 1
            counts.steps += len(risks.end_h)
            counts.alerts += len(item.alerts)
            counts.alerted += bool(len(item.alerts))
            counts.onsets += bool(len(item.onset_h))
            counts.beyond.update(self._beyond(record, risks))

    def _item(self, known: Harmonised, stay: HospitalStay, risks: "StayRisks") -> StayForecast:
        request, record = self._request, known.record
        truth = known_truth(record, stay, risks.end_h, request.rule, request.outcome, known.labels)
        return StayForecast(
            record,
            stay,
            risks,
            labels=truth.risks,
            next_onset_h=truth.next_onset_h(risks.end_h),
            onset_h=truth.onset_h,
            onset_stages=truth.onset_stages,
            alerts=request.choice.alerts_of(risks.end_h, risks.probs),
            offset_h=self._offset_h(record),
        )

    def _offset_h(self, record: PatientRecord) -> float:
        """Return the hours from hour 0 of the patient's first record to that of this one."""
        if record.origin is None:
            return 0.0
        first = self._origins.setdefault(record.patient_id, record.origin)
        return float(hours_since(np.array([record.origin]), first)[0])

    def _beyond(self, record: PatientRecord, risks: "StayRisks") -> Iterator[str]:
        """Yield in what a stay lies beyond those that were trained on."""
        seen = self._request.seen
        age = float(record.statics.get(AGE, np.nan)) + risks.start_h / _YEAR_H
        if seen.ages is not None and (age < seen.ages[0] or age > seen.ages[1]):
            yield f"of another age than {seen.ages[0]:.0f} to {seen.ages[1]:.0f} years"
        if len(risks.end_h) > seen.steps:
            yield f"longer than {seen.steps} steps"

    def trajectories(self) -> list[StayTrajectory]:
        """Return the trajectories of the chosen stays."""
        return [
            trajectory_of(item, self._forecaster, self._request.choice, self._request.made_by)
            for item in self._trajectories.chosen()
        ]
