"""A shard on its way from raw rows to forecasts, some patients at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpipe.core.errors import RefusedError
from medpipe.core.findings import Maker
from medpipe.core.trajectory import StayTrajectory
from medpipe.ehr.coded_events import with_codes
from medpipe.ehr.harmonise import Harmonised, RefusedPatient, harmonise
from medpipe.ehr.hospital_stays import hospital_stays
from medpipe.ehr.kidney_labels import KidneyRule
from medpipe.ehr.mapping import Predicates
from medpipe.inference.kidney import KidneyForecaster, StayRisks
from medpipe.io.records.raw_patient import AGE, RawPatient
from medpipe.runs.kidney_shards.counts import ShardCounts
from medpipe.runs.kidney_shards.policy import AlertChoice
from medpipe.runs.kidney_shards.stay_forecast import Outcome, StayForecast, known_truth
from medpipe.runs.kidney_shards.tables import ShardTables
from medpipe.runs.kidney_shards.trajectories import TrajectoryChoice, trajectory_of
from medpipe.zoo.manifest import SeenStays

_YEAR_H = 365.25 * 24


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
        self, forecaster: KidneyForecaster, request: ShardRequest, predicates: Predicates, source: str
    ) -> None:
        self._forecaster = forecaster
        self._request = request
        self._predicates = predicates
        self._origins: dict[str, np.datetime64] = {}
        self.tables = ShardTables(forecaster.horizons_h, forecaster.labs, request.choice)
        self.counts = ShardCounts(source, predicates.name)
        self._trajectories = TrajectoryChoice(request.patients, request.most_trajectories, request.choice)

    def add(self, group: Sequence[RawPatient]) -> None:
        """Work on some records; those that are refused are counted and the others go on."""
        known: list[tuple[RawPatient, Harmonised]] = []
        for raw in group:
            self.counts.patients.add(raw.patient_id)
            self.counts.records += 1
            try:
                known.append((raw, harmonise(raw, self._predicates)))
            except RefusedError as error:
                self._refuse(raw, error)
        records = [with_codes(each.record, raw) for raw, each in known]
        for (raw, each), record, risks in zip(known, records, self._forecaster.forecast_many(records), strict=True):
            self._take(raw, each, record, risks)

    def trajectories(self) -> list[StayTrajectory]:
        """Return the trajectories of the chosen stays."""
        return [
            trajectory_of(item, self._forecaster, self._request.choice, self._request.made_by)
            for item in self._trajectories.chosen()
        ]
