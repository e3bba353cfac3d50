"""Fixtures that every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "short",
    max_examples=25,
    deadline=None,
    derandomize=True,  # the same examples each time; make test-all draws new ones
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("MEDPIPE_HYPOTHESIS", "short"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real test data, or skip."""
    named = os.environ.get("MEDPIPE_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is absent: {folder} (set MEDPIPE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def kidney_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package of kidney injury whose network has learned nothing."""
    import torch

    from medpipe.core.findings import CodedConcept
    from medpipe.core.forecast_labs import ForecastLab
    from medpipe.core.isotonic import IsotonicCurve
    from medpipe.core.scores import ScoreScale
    from medpipe.ehr.baseline import BaselineRule
    from medpipe.ehr.kidney_labels import LabelRule
    from medpipe.ehr.stay_encoding import StayEncoding
    from medpipe.ehr.stay_scales import StayScales, fit_scale
    from medpipe.ehr.stay_statics import STATICS
    from medpipe.ehr.step_rule import StepRule
    from medpipe.models.registry import build_network
    from medpipe.tasks.kidney import AKI
    from medpipe.zoo.manifest import KidneySpec, NetworkSpec, SeenStays
    from medpipe.zoo.writing import write_package

    values = np.linspace(40, 160, 60)
    encoding = StayEncoding(
        scales=StayScales(
            variables=tuple(fit_scale(name, values) for name in ("creatinine", "urea", "heart_rate")),
            statics=tuple(fit_scale(name, values) for name in STATICS),
        )
    )
    sizes = {"num_horizons": 2, "num_labs": 1, "embedding": 4, "hidden": 4, "layers": 1}
    arguments = {"num_networks": 2, "network": {**encoding.network_arguments(), **sizes}}
    torch.manual_seed(0)
    network = build_network("aki-ensemble", arguments)
    lab = ForecastLab(
        name="creatinine",
        code=CodedConcept(scheme="LN", value="14682-9", meaning="Creatinine"),
        unit="umol/L",
        scale=ScoreScale(mean=90, spread=20),
    )
    spec = KidneySpec(
        name="small",
        version="0.1.0",
        summary="Forecasts nothing.",
        task="kidney",
        network=NetworkSpec(name="aki-ensemble", arguments=arguments),
        licence="CC0-1.0",
        definition="nothing",
        rule=LabelRule(baseline=BaselineRule.HISTORY, fallback=BaselineRule.ROLLING_MINIMUM),
        outcome=AKI,
        encoding=encoding,
        steps=StepRule(bucket_h=6.0),
        horizons_h=(24.0, 48.0),
        labs=(lab,),
        tree_weight=0.0,
        curves=(IsotonicCurve(thresholds=(0.1, 0.9), values=(0.0, 1.0), num_cases=9),) * 2,
        thresholds=(None, 0.5),
        target_precision=1 / 3,
        seen=SeenStays(patients=3, stays=4, ages=(18, 99), steps=400),
    )
    card = "# small\n" + "".join(
        f"## {part}\n0.5 (0.4 to 0.6)\n" for part in ("Data", "Licence", "Figures", "Limits", "Command")
    )
    folder = tmp_path_factory.mktemp("packages") / "small"
    return write_package(folder, spec, network.state_dict(), card=card, licence="CC0-1.0").path


@pytest.fixture(scope="session")
def small_ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of twelve simulated stays: ``meds`` and ``events.csv``."""
    from medpipe.simulate.ward.writing import write_ward

    folder = tmp_path_factory.mktemp("ward")
    write_ward(folder, range(12), shard_size=5)
    return folder
