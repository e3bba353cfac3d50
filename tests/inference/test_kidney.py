"""The forecaster of kidney injury: from a record to risks that know nothing of what comes later."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import CodedConcept
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.isotonic import IsotonicCurve
from medpipe.core.patient_record import PatientRecord
from medpipe.core.scores import ScoreScale
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_scales import StayScales, fit_scale
from medpipe.ehr.stay_statics import STATICS
from medpipe.ehr.stay_table import table_columns
from medpipe.ehr.step_rule import StepRule
from medpipe.inference.kidney import KidneyForecaster, StayRisks, load_forecaster
from medpipe.models.aki_rnn.ensemble import AkiEnsemble
from medpipe.models.boosted_trees.model import BoostedTrees
from medpipe.models.registry import build_network
from medpipe.tasks.kidney import AKI
from medpipe.training.kidney.tree_import import trees_of
from medpipe.zoo.manifest import KidneySpec, NetworkSpec, SeenStays
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package

VARIABLES = ("creatinine", "urea", "urine", "heart_rate", "dialysis")
HORIZONS_H = (12.0, 24.0, 48.0)
CARD = """# small
## Data
Drawn numbers.
## Licence
CC0-1.0.
## Figures
AUROC 0.5 (0.4 to 0.6).
## Limits
All.
## Command
none
"""


def trained_trees(num_features: int) -> BoostedTrees:
    """Return forests that look at all features."""
    rng = np.random.default_rng(0)
    rows = np.abs(rng.normal(60, 60, (500, num_features))).astype(np.float32)
    rows[rng.random(rows.shape) < 0.4] = np.nan
    boosters = []
    for _ in HORIZONS_H:
        truth = np.nansum(rows * rng.normal(size=num_features), axis=1) > 0
        parameters = {"objective": "binary", "num_leaves": 8, "verbosity": -1, "num_threads": 1}
        boosters.append(lightgbm.train(parameters, lightgbm.Dataset(rows, truth), 30))
    return trees_of(boosters, num_features=num_features)


def write_kidney_package(folder: Path, *, tree_weight: float = 0.5, **changes: Any) -> Package:
    """Write a package of two networks that have learned nothing, and of trees."""
    rng = np.random.default_rng(0)
    encoding = StayEncoding(
        scales=StayScales(
            variables=tuple(fit_scale(name, rng.normal(100, 40, 200)) for name in VARIABLES),
            statics=tuple(fit_scale(name, rng.normal(60, 10, 200)) for name in STATICS),
        ),
        codes=("drug//a", "drug//b"),
    )
    trees = trained_trees(len(table_columns(VARIABLES)))
    arguments: dict[str, Any] = {
        "num_networks": 2,
        "network": {
            **encoding.network_arguments(),
            **{"num_horizons": 3, "num_labs": 1, "embedding": 8, "hidden": 8, "layers": 2},
        },
        "trees": trees.arguments(),
    }
    torch.manual_seed(0)
    ensemble = build_network("aki-ensemble", arguments)
    assert isinstance(ensemble, AkiEnsemble)
    assert ensemble.trees is not None
    ensemble.trees.load_state_dict(trees.state_dict())
    curve = IsotonicCurve(thresholds=(0.1, 0.9), values=(0.0, 1.0), num_cases=9)
    lab = ForecastLab(
        name="creatinine",
        code=CodedConcept(scheme="LN", value="14682-9", meaning="Creatinine"),
        unit="umol/L",
        scale=ScoreScale(mean=90, spread=20),
    )
    facts: dict[str, Any] = {
        "name": "small",
        "version": "0.1.0",
        "summary": "Forecasts nothing.",
        "task": "kidney",
        "network": NetworkSpec(name="aki-ensemble", arguments=arguments),
        "licence": "CC0-1.0",
        "definition": "a drawn number",
        "outcome": AKI,
        "encoding": encoding,
        "steps": StepRule(bucket_h=6.0),
        "horizons_h": HORIZONS_H,
        "labs": (lab,),
        "tree_weight": tree_weight,
        "curves": (curve,) * 3,
        "thresholds": (0.3, None, 0.4),
        "target_precision": 1 / 3,
        "seen": SeenStays(patients=3, stays=4, ages=(20, 90), steps=20),
    }
    spec = KidneySpec(**{**facts, **changes})
    return write_package(folder / "small", spec, ensemble.state_dict(), card=CARD, licence="CC0-1.0")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return write_kidney_package(tmp_path_factory.mktemp("kidney"))


@pytest.fixture(scope="session")
def forecaster(package: Package) -> KidneyForecaster:
    return load_forecaster(package, "cpu")


def record_of(seed: int, *, length_h: float = 60.0, num_events: int = 60) -> PatientRecord:
    """Return a record of one stay that begins at hour 0, with history before it."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([*VARIABLES, "drug//a", "drug//b"], num_events)
    values = np.where(
        np.isin(codes, ("dialysis", "drug//a", "drug//b")), np.nan, rng.uniform(20, 200, num_events)
    )
    events = [
        (0.0, "admission", np.nan),
        *zip(rng.uniform(-20, length_h, num_events), codes, values, strict=True),
    ]
    return of_events(events)


def of_events(events: list[tuple[float, str, float]]) -> PatientRecord:
    time_h, codes, values = zip(*sorted(events, key=lambda event: event[0]), strict=True)
    return PatientRecord(
        "p", np.array(time_h), np.array(codes, dtype=object), np.array(values), {"age": 60.0, "sex": "F"}
    )


def known_at(stays: tuple[StayRisks, ...], moment_h: float) -> np.ndarray[Any, Any]:
    """Return all that was said until a moment."""
    rows = [
        np.concatenate([item.probs, item.low, item.high, item.scores, item.lab_maxima[:, :, 0]], axis=1)[
            item.end_h <= moment_h
        ]
        for item in stays
    ]
    return np.concatenate(rows)


events = st.tuples(
    st.floats(0.01, 200.0),
    st.sampled_from([*VARIABLES, "drug//a", "drug//z", "admission", "discharge", "death"]),
    st.floats(0.0, 1e4),
)


@given(st.integers(0, 50), st.integers(1, 8), st.lists(events, max_size=8), st.booleans())
def test_what_comes_later_changes_nothing_that_was_said(
    forecaster: KidneyForecaster,
    seed: int,
    known: int,
    added: list[tuple[float, str, float]],
    keeps: bool,
) -> None:
    record, moment_h = record_of(seed), known * 6.0
    whole = [*zip(record.time_h.tolist(), record.codes.tolist(), record.values.tolist(), strict=True)]
    # Without a word of the moment itself, the stay might end before it.
    past = [*(event for event in whole if event[0] < moment_h), (moment_h, "heart_rate", 80.0)]
    later = [event for event in whole if event[0] > moment_h]
    other = [(moment_h + after, code, value) for after, code, value in added]
    ours, theirs = of_events([*past, *later]), of_events([*past, *(later if keeps else []), *other])
    before, after = (known_at(forecaster.forecast(each), moment_h) for each in (ours, theirs))
    assert len(before) == known
    # Sums over batches of another shape are rounded in another order.
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_many_records_give_what_each_gives_alone(forecaster: KidneyForecaster) -> None:
    records = [record_of(seed, length_h=20.0 + 17 * seed) for seed in range(6)]
    empty = PatientRecord("p", np.zeros(1), np.array(["creatinine"]), np.ones(1))
    together = forecaster.forecast_many([*records, empty])
    assert together[-1] == ()
    for record, found in zip(records, together, strict=False):
        (alone,) = forecaster.forecast(record)
        assert (found[0].stay_id, found[0].start_h) == (alone.stay_id, alone.start_h)
        for name in ("end_h", "probs", "low", "high", "scores", "lab_maxima"):
            np.testing.assert_allclose(getattr(found[0], name), getattr(alone, name), rtol=1e-5, atol=1e-5)


def test_risks_hold_together(forecaster: KidneyForecaster) -> None:
    (risks,) = forecaster.forecast(record_of(1))
    assert risks.end_h.tolist() == [6.0 * step for step in range(1, 10)]
    assert risks.probs.shape == (9, 3)
    assert (np.diff(risks.probs, axis=1) >= 0).all()
    assert (risks.low <= risks.probs).all()
    assert (risks.probs <= risks.high).all()
    assert (risks.lab_maxima >= 0).all()
    assert (np.diff(risks.lab_maxima, axis=1) >= 0).all()
    assert forecaster.thresholds == (0.3, None, 0.4)


def test_weight_merges_networks_and_trees(forecaster: KidneyForecaster) -> None:
    scores = {}
    for weight in (0.0, 0.25, 1.0):
        spec = forecaster.spec.model_copy(update={"tree_weight": weight})
        (risks,) = replace(forecaster, spec=spec).forecast(record_of(1))
        scores[weight] = risks.scores
        if weight == 1.0:
            np.testing.assert_array_equal(risks.low, risks.high)
    np.testing.assert_allclose(scores[0.25], 0.75 * scores[0.0] + 0.25 * scores[1.0], rtol=1e-5)


def test_each_stay_of_a_record_is_forecast(forecaster: KidneyForecaster) -> None:
    times = [(0.0, "admission"), (10.0, "creatinine"), (13.0, "discharge"), (500.0, "admission")]
    record = of_events([*((at, code, 90.0) for at, code in times), (519.0, "creatinine", 200.0)])
    first, second = forecaster.forecast(record)
    assert (first.stay_id, first.end_h.tolist()) == ("1", [6, 12])
    assert (second.start_h, second.end_h.tolist()) == (500, [506, 512, 518])


def test_drivers_are_what_is_lost_without_a_variable(forecaster: KidneyForecaster) -> None:
    record = record_of(3)
    (risks,) = forecaster.forecast(record)
    drivers = forecaster.drivers(record, risks, 4, 1)
    until = record.time_h <= risks.end_h[4]
    assert {driver.variable for driver in drivers} == set(record.codes[until]) & set(VARIABLES)
    sizes = [abs(driver.change) for driver in drivers]
    assert sizes == sorted(sizes, reverse=True)
    kept = record.codes != drivers[0].variable
    less = PatientRecord("p", record.time_h[kept], record.codes[kept], record.values[kept], record.statics)
    (without,) = forecaster.forecast(less)
    assert drivers[0].change == pytest.approx(risks.scores[4, 1] - without.scores[4, 1], abs=1e-5)


def test_drivers_of_a_stay_that_ends_with_its_last_value(forecaster: KidneyForecaster) -> None:
    # Without its creatinine nothing of the record would reach the step at 12 h.
    hours = np.array([0.0, 1.0, 12.0])
    record = PatientRecord("p", hours, np.array(["creatinine", "urea", "creatinine"]), np.full(3, 90.0))
    (risks,) = forecaster.forecast(record)
    drivers = forecaster.drivers(record, risks, 1, 0)
    assert {driver.variable for driver in drivers} == {"creatinine", "urea"}


def test_step_or_stay_that_is_not_there_is_told(forecaster: KidneyForecaster) -> None:
    record = record_of(3)
    (risks,) = forecaster.forecast(record)
    with pytest.raises(ShapeError, match="step 9, horizon 0"):
        forecaster.drivers(record, risks, 9, 0)
    with pytest.raises(ShapeError, match="no such stay"):
        forecaster.drivers(record, replace(risks, start_h=7.0), 0, 0)


def test_package_of_another_task_forecasts_nothing(package: Package) -> None:
    with pytest.raises(SettingsError, match="it forecasts kidney injury"):
        assert package.classification
    assert package.kidney.horizons_h == HORIZONS_H


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labs": ()}, "labs"),
        ({"steps": StepRule(bucket_h=6.0), "horizons_h": (6.0,)}, "1 horizons, 3 curves"),
        ({"horizons_h": (24.0, 12.0, 48.0)}, "ascend"),
        ({"network": NetworkSpec(name="aki-rnn", arguments={"num_variables": 3})}, "do not fit|read stays"),
    ],
)
def test_package_that_does_not_fit_itself_is_not_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((SettingsError, ValueError), match=message):
        write_kidney_package(tmp_path, **changes)
    assert not (tmp_path / "small").exists()
