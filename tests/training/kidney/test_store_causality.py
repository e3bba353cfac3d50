"""From a file to stored stays to risks: whatever comes after a step leaves its risks as they were."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medpipe.ehr.baseline import BaselineRule
from medpipe.ehr.stay_encoding import StayEncoding
from medpipe.ehr.stay_scales import StayScales, fit_scale
from medpipe.ehr.stay_statics import STATICS
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.models.registry import build_network
from medpipe.training.kidney.fit import risk_logits
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader
from medpipe.training.kidney.recipe import Aki48, InputsRecipe, KidneyRecipe

NAMES, CODES = ("creatinine", "urea", "urine", "dialysis"), ("drug//a", "drug//b")
UNITS = {"creatinine": "umol/L", "urea": "mmol/L", "urine": "mL"}
BUCKET_H, WINDOW = 6.0, 3
RECIPE = KidneyRecipe(
    name="own",
    task=Aki48(kind="aki48", baseline=BaselineRule.ROLLING_MINIMUM, horizons_h=(12.0, 24.0)),
    labs=("creatinine",),
    inputs=InputsRecipe(codes=True),
)
ENCODING = StayEncoding(
    scales=StayScales(
        variables=tuple(fit_scale(name, np.arange(1.0, 200.0)) for name in NAMES),
        statics=tuple(fit_scale(name, np.arange(20.0, 90.0)) for name in STATICS),
    ),
    codes=CODES,
)

Event = tuple[float, str, int]


def events(first_h: float, last_h: float) -> st.SearchStrategy[list[Event]]:
    """Return events after the first hour up to the last one, in quarters of an hour."""
    quarters = st.integers(int(4 * first_h) + 1, int(4 * last_h)).map(lambda number: number / 4)
    return st.lists(st.tuples(quarters, st.sampled_from((*NAMES, *CODES)), st.integers(1, 400)), max_size=12)


@st.composite
def two_courses(draw: st.DrawFn) -> tuple[int, list[list[Event]]]:
    """Return a number of steps, and two courses that are one until the last of them ends."""
    num_steps = draw(st.integers(1, 8))
    known_h = num_steps * BUCKET_H
    before = draw(events(0, known_h))
    courses = []
    for _ in range(2):
        end_h = draw(st.integers(int(known_h), 72))
        later = draw(events(known_h, end_h)) if end_h > known_h else []
        ending = draw(st.sampled_from(["discharge", "death"]))
        courses.append([*before, *later, (float(end_h), ending, 0)])
    return num_steps, courses


def risks_of(course: list[Event], network: AkiRnn) -> npt.NDArray[np.float64]:
    """Return ``(T, H)`` logits of a course, from a table on disk."""
    rows = [
        "p,0,admission,,",
        *(f"p,{hour},{code},{value},{UNITS.get(code, '')}" for hour, code, value in course),
    ]
    with TemporaryDirectory() as place:
        table = Path(place) / "events.csv"
        table.write_text("\n".join(["patient,time,code,value,unit", *rows]) + "\n")
        reader = StayReader(prepare_stays(RECIPE, table, Path(place) / "stays"), ENCODING)
        return risk_logits(network, reader, (0,), batch_stays=4, window=WINDOW, device="cpu")


@pytest.fixture(scope="module", params=["sru", "lstm"])
def network(request: pytest.FixtureRequest) -> AkiRnn:
    sizes = {"embedding": 8, "hidden": 8, "layers": 2, "num_horizons": 2, "num_labs": 1}
    torch.manual_seed(0)
    found = build_network("aki-rnn", {**ENCODING.network_arguments(), **sizes, "cell": request.param})
    assert isinstance(found, AkiRnn)
    return found


@settings(deadline=None)
@given(pair=two_courses())
def test_what_comes_later_changes_no_risk(network: AkiRnn, pair: tuple[int, list[list[Event]]]) -> None:
    num_steps, courses = pair
    first, second = (risks_of(course, network) for course in courses)
    assert len(first) >= num_steps
    np.testing.assert_allclose(first[:num_steps], second[:num_steps], atol=1e-5)


def test_what_is_new_in_a_step_changes_its_risk(network: AkiRnn) -> None:
    courses = ([(7.0, "creatinine", value), (24.0, "discharge", 0)] for value in (80, 160))
    low, high = (risks_of(list(course), network) for course in courses)
    np.testing.assert_array_equal(low[0], high[0])
    assert (abs(low[1:] - high[1:]) > 1e-4).any()
