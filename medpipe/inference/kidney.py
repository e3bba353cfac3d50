"""The forecaster of kidney injury: a harmonised record in, risks at every step of its hospital stays out.

Letters: T steps, H horizons, L labs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from medpipe.core.affine import Array
from medpipe.core.errors import ShapeError
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.patient_record import PatientRecord
from medpipe.core.risk_spread import calibrated
from medpipe.data.stay_windows import collate_stays
from medpipe.ehr.bucketing import Floats, StaySteps, bucket_record, part_of
from medpipe.ehr.hospital_stays import HospitalStay, hospital_stays
from medpipe.ehr.kidney_state import STATE_VARIABLES
from medpipe.ehr.series import TIME_SLACK_H
from medpipe.ehr.stay_statics import static_numbers
from medpipe.ehr.stay_table import table_rows
from medpipe.ehr.stay_tensors import as_batch
from medpipe.models.aki_rnn.ensemble import AkiEnsemble
from medpipe.tasks.kidney import KidneyTask

if TYPE_CHECKING:
    from medpipe.zoo.manifest import KidneySpec
    from medpipe.zoo.package import Package

_STEPS_AT_ONCE: Final = 8192
"""Steps of a batch, padding included."""


@dataclass(frozen=True, eq=False)
class StayRisks:
    """What is forecast of one stay.

    Attributes:
        stay_id: Id of the stay within its record.
        start_h: Hour of the record at which it begins.
        end_h: ``(T,)`` hours of the record at which the steps end: what is known by then was used.
        probs: ``(T, H)`` calibrated risk of the event within each horizon; it never falls with it.
        low: ``(T, H)`` lower bound by the spread of the networks.
        high: ``(T, H)`` upper bound.
        scores: ``(T, H)`` mean merged log-odds before calibration: without the ties of the curves.
        lab_maxima: ``(T, H, L)`` the largest value of each lab within each horizon, in its unit; L may be 0.
    """

    stay_id: str
    start_h: float
    end_h: Array
    probs: Array
    low: Array
    high: Array
    scores: Array
    lab_maxima: Array


class Driver(NamedTuple):
    """What a variable did to a risk.

    Attributes:
        variable: Its name.
        change: Log-odds that it adds: the score as it is minus the score with the variable unmeasured in the
            whole stay so far. Above 0 it raised the risk.
    """

    variable: str
    change: float


class _Stay(NamedTuple):
    """What the networks and trees are told of a stay."""

    start_h: float
    steps: StaySteps
    statics: Floats


class _Read(NamedTuple):
    """What they say: ``(S, T, H)`` merged log-odds, and ``(T, H, L)`` lab maxima in their units."""

    logits: Array
    lab_maxima: Array


@dataclass(frozen=True, eq=False)
class KidneyForecaster:
    """An ensemble with what it expects of a record; a forecast at a step knows nothing that comes after it.

    Attributes:
        ensemble: In evaluation mode, on ``device``.
        spec: How records are read, and what the numbers mean.
        device: ``"cpu"`` or ``"cuda:N"``.
    """

    ensemble: AkiEnsemble
    spec: "KidneySpec"
    device: str = "cpu"

    @property
    def horizons_h(self) -> tuple[float, ...]:
        """H hours, ascending."""
        return self.spec.horizons_h

    @property
    def labs(self) -> tuple[ForecastLab, ...]:
        """L labs whose maxima are forecast; may be none."""
        return self.spec.labs

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that are looked at."""
        return self.spec.encoding.variables

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes that are looked at beside the variables; often none."""
        return self.spec.encoding.codes

    @property
    def thresholds(self) -> tuple[float | None, ...]:
        """H probabilities from which an alert is worth its trouble; None where there is none."""
        return self.spec.thresholds

    def forecast(self, record: PatientRecord) -> tuple[StayRisks, ...]:
        """Forecast at every step of the hospital stays of a record; stays shorter than a step are left out.

        Args:
            record: Harmonised: canonical codes and units; with the source's codes where :attr:`codes` are
                looked at, see :func:`medpipe.ehr.coded_events.with_codes`.
        """
        return self.forecast_many([record])[0]

    def forecast_many(self, records: Sequence[PatientRecord]) -> list[tuple[StayRisks, ...]]:
        """Forecast for several records at once: what :meth:`forecast` gives of each, sooner."""
        stays = [
            (place, stay, told)
            for place, record in enumerate(records)
            for stay in hospital_stays(record)
            if len((told := self._told(record, stay)).steps.end_h)
        ]
        found: list[list[StayRisks]] = [[] for _ in records]
        for (place, stay, told), read in zip(stays, self._read([told for *_, told in stays]), strict=True):
            found[place].append(self._risks(stay, told, read))
        return [tuple(risks) for risks in found]

    def drivers(self, record: PatientRecord, stay: StayRisks, step: int, horizon: int) -> tuple[Driver, ...]:
        """Return what drove a risk, the largest change first, of all variables that were measured.

        Args:
            record: Whose stay it is.
            stay: What :meth:`forecast` gave of the stay.
            step: Number of the step, from 0.
            horizon: Number of the horizon, from 0.

        Raises:
            ShapeError: The record has no such stay, or the stay no such step or horizon.

        Source:
            Occlusion, as Tomašev et al. 2019 do it: a feature is taken away and the risk is read anew.
        """
        told = self._told_of(record, stay, step, horizon)
        is_known = record.time_h <= told.steps.end_h[-1] + TIME_SLACK_H
        known = set(record.codes[is_known].tolist())
        measured = [name for name in self._looked_at if name in known]
        others = [self._told_of(_without(record, name), stay, step, horizon) for name in measured]
        whole, *without = (read.logits[:, -1, horizon].mean() for read in self._read([told, *others]))
        drivers = (Driver(name, float(whole - score)) for name, score in zip(measured, without, strict=True))
        return tuple(sorted(drivers, key=lambda driver: -abs(driver.change)))

    @property
    def _looked_at(self) -> tuple[str, ...]:
        """All variables that change what is said."""
        of_state = STATE_VARIABLES if self.spec.encoding.scales.state or self.ensemble.trees else ()
        return tuple(dict.fromkeys((*self.variables, *of_state)))

    def _told(self, record: PatientRecord, stay: HospitalStay) -> _Stay:
        steps = bucket_record(
            record,
            self.spec.steps.ends_of(stay),
            start_h=stay.admission_h,
            variables=self.variables,
            vocabulary={code: number for number, code in enumerate(self.codes)},
        )
        return _Stay(stay.admission_h, steps, static_numbers(record, stay))

    def _told_of(self, record: PatientRecord, risks: StayRisks, step: int, horizon: int) -> _Stay:
        if not (0 <= step < len(risks.end_h) and 0 <= horizon < len(self.horizons_h)):
            raise ShapeError(
                f"The stay has {len(risks.end_h)} steps and {len(self.horizons_h)} horizons, from 0",
                found=f"step {step}, horizon {horizon}",
            )
        for stay in hospital_stays(record):
            if (stay.id, stay.admission_h) == (risks.stay_id, risks.start_h):
                told = self._told(record, stay)
                return told._replace(steps=part_of(told.steps, 0, step + 1))
        raise ShapeError("The record has no such stay", found=f"one that begins at {risks.start_h:g} h")

    def _read(self, stays: Sequence[_Stay]) -> list[_Read]:
        """Return what is said of each stay; batches are of stays of like length."""
        found: dict[int, _Read] = {}
        for places in _batches([len(stay.steps.end_h) for stay in stays]):
            found.update(zip(places, self._read_batch([stays[place] for place in places]), strict=True))
        return [found[place] for place in range(len(stays))]

    @torch.inference_mode()
    def _read_batch(self, stays: Sequence[_Stay]) -> Iterator[_Read]:
        encode = self.spec.encoding.encode
        encoded = [encode(stay.steps, stay.statics, start_h=stay.start_h) for stay in stays]
        batch = collate_stays([as_batch(steps) for steps in encoded]).to(self.device)
        rows = None if self.ensemble.trees is None else _rows(stays).to(self.device)
        output = self.ensemble(batch, rows)
        logits = output.merged(self.spec.tree_weight).double().cpu()
        task = KidneyTask(self.horizons_h, self.labs, self.spec.outcome)
        for place, stay in enumerate(stays):
            ends_h = stay.steps.end_h
            maxima = None if output.lab_maxima is None else output.lab_maxima[place, : len(ends_h)]
            own = logits[:, place, : len(ends_h)]
            decoded = task.decode(own.mean(dim=0), maxima, ends_h.tolist())
            yield _Read(own.numpy(), decoded.lab_maxima.numpy())

    def _risks(self, stay: HospitalStay, told: _Stay, read: _Read) -> StayRisks:
        spread = calibrated(read.logits, self.spec.curves)
        return StayRisks(
            stay_id=stay.id,
            start_h=stay.admission_h,
            end_h=told.steps.end_h,
            **spread._asdict(),
            scores=read.logits.mean(axis=0),
            lab_maxima=read.lab_maxima,
        )


def load_forecaster(package: "Package", device: str) -> KidneyForecaster:
    """Load the networks and trees of a package.

    Args:
        package: Of kidney injury.
        device: ``"cpu"`` or ``"cuda:N"``.

    Raises:
        SettingsError: The package does something else, or its weights do not fit.
        MachineError: The weights are damaged.
    """
    spec = package.kidney
    ensemble = package.load_network(device)
    assert isinstance(ensemble, AkiEnsemble)  # the manifest's trial has seen that
    return KidneyForecaster(ensemble, spec, device)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of stays that are read together, shortest first."""
    chosen: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if chosen and lengths[place] * (len(chosen) + 1) > _STEPS_AT_ONCE:
            yield chosen
            chosen = []
        chosen.append(place)
    if chosen:
        yield chosen


def _rows(stays: Sequence[_Stay]) -> torch.Tensor:
    """Return ``(B, T, F)`` the rows of trees, NaN past the end of a stay."""
    rows = [torch.from_numpy(table_rows(stay.steps, stay.statics, start_h=stay.start_h)) for stay in stays]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=torch.nan)


def _without(record: PatientRecord, variable: str) -> PatientRecord:
    """Return a record in which a variable was never measured; its stays end when they did."""
    return replace(record, codes=np.where(record.codes == variable, "", record.codes))
