"""Charts of a stay: alerts, injuries and labs lie where they should, and gaps stay gaps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Maker
from medpipe.core.trajectory import ForecastMaxima, KnownOnset, MeasuredCourse, StayTrajectory
from medpipe.figures.lab_course import draw_lab, draw_lab_grid
from medpipe.figures.lab_series import LabPanel, has_values, lab_series
from medpipe.figures.risk_course import ALERT, ONSET, draw_risk_course
from medpipe.figures.risk_histogram import draw_risk_histogram
from medpipe.figures.stay_axis import stay_clock

NAN = float("nan")
LEFT, RIGHT, WIDTH = 88, 188, 1160
PLOT = WIDTH - LEFT - RIGHT


def stay(**changes: Any) -> StayTrajectory:
    fields: dict[str, Any] = {
        "patient_id": "p",
        "start_h": 100.0,
        "horizons_h": (24.0, 48.0),
        "end_h": (106.0, 112.0, 118.0),
        "probs": ((0.1, 0.2), (0.4, 0.5), (0.1, 0.2)),
        "alert_horizon_h": 48.0,
        "threshold": 0.45,
        "alerts": (112.0,),
        "made_by": Maker(name="aki", version="1"),
    }
    return StayTrajectory(**{**fields, **changes})


def creatinine(hours: Any, values: Any, maxima: Any = None) -> LabPanel:
    return LabPanel(
        "Creatinine",
        "µmol/L",
        MeasuredCourse(name="creatinine", unit="umol/L", hours=hours, values=values),
        None if maxima is None else ForecastMaxima(name="creatinine", unit="umol/L", maxima=maxima),
    )


def rgb(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def columns_of(pixels: np.ndarray, colour: str, rows: slice) -> np.ndarray:
    """Return the columns of the plot in which some rows have a colour."""
    has = (pixels[rows] == rgb(colour)).all(axis=2).any(axis=0)
    places = np.flatnonzero(has)
    return places[places < WIDTH - RIGHT + 8]


class TestRiskCourse:
    def test_alert_and_injury_are_marked_at_their_hours(self, pixels_of: Callable[..., np.ndarray]) -> None:
        figure = draw_risk_course(stay(onsets=(KnownOnset(hour=121.0, stage=2),)))
        assert figure.name == "risk_course"
        assert "alerts at 12 h; injury of stage 2 at 21 h" in figure.alt
        assert "highest 0.50 at 12 h; threshold 0.45" in figure.alt
        pixels = pixels_of(figure)
        # The axis runs over 24 h: the last step lasts 6 h more. Marks stand in the 64 rows above the plot.
        marks = columns_of(pixels, ALERT, slice(0, 60))
        assert abs(marks.mean() - (LEFT + PLOT * 12 / 24)) < 1.5
        line = columns_of(pixels, ONSET, slice(200, 201))
        assert abs(line.mean() - (LEFT + PLOT * 21 / 24)) < 1.5

    def test_without_alerts_nothing_is_marked(self, pixels_of: Callable[..., np.ndarray]) -> None:
        figure = draw_risk_course(stay(alerts=()))
        assert "no alerts" in figure.alt
        assert not len(columns_of(pixels_of(figure), ALERT, slice(0, None)))

    def test_injury_of_before_the_stay_is_not_drawn(self, pixels_of: Callable[..., np.ndarray]) -> None:
        figure = draw_risk_course(stay(onsets=(KnownOnset(hour=90.0, stage=3),)))
        assert "injury" not in figure.alt
        assert not len(columns_of(pixels_of(figure), ONSET, slice(0, None)))

    def test_interval_is_said_only_where_there_is_one(self) -> None:
        probs = np.array(stay().probs)
        with_interval = stay(low=probs / 2, high=probs, interval="spread of five networks")
        assert "(spread of five networks)" in draw_risk_course(with_interval).caption
        assert "interval" not in draw_risk_course(stay()).caption

    @pytest.mark.parametrize("probs", [np.full((3, 2), NAN), [[0.1, NAN], [NAN, 0.3], [0.2, 0.2]]])
    def test_unknown_risks_leave_gaps(self, probs: Any) -> None:
        assert draw_risk_course(stay(probs=probs)).webp[:4] == b"RIFF"

    def test_one_step_is_drawn(self) -> None:
        figure = draw_risk_course(stay(end_h=(112.0,), probs=((0.4, 0.5),)))
        assert "over 1 step; highest 0.50 at 12 h" in figure.alt

    def test_many_steps_make_no_larger_picture(self, pixels_of: Callable[..., np.ndarray]) -> None:
        ends = 100.0 + np.arange(1, 501)
        figure = draw_risk_course(stay(end_h=ends, probs=np.full((500, 2), 0.5), alerts=ends))
        assert pixels_of(figure).shape == pixels_of(draw_risk_course(stay())).shape

    def test_no_step_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="found none"):
            draw_risk_course(stay(end_h=(), probs=(), alerts=()))


class TestLabs:
    def test_largest_that_came_is_of_the_horizon_alone(self) -> None:
        # Horizon 48 h from 106, 112, 118: a value at the step itself is known, one at the end still counts.
        panel = creatinine((106.0, 112.0, 154.0, 160.5), (900.0, 80.0, 90.0, 300.0))
        _, (series,) = lab_series([panel], stay())
        assert series.came.tolist() == [90.0, 90.0, 300.0]
        assert series.hours.tolist() == [6.0, 12.0, 54.0, 60.5]

    def test_nothing_measured_after_a_step_is_not_known(self) -> None:
        _, (series,) = lab_series([creatinine((107.0,), (80.0,))], stay())
        assert np.array_equal(series.came, [80.0, NAN, NAN], equal_nan=True)

    def test_words_state_the_error_of_the_forecast(self) -> None:
        panel = creatinine((107.0, 119.0), (80.0, 120.0), np.full((3, 2), 100.0))
        figure = draw_lab(panel, stay())
        assert figure.name == "lab_creatinine"
        assert "2 measured, 80 to 120 µmol/L" in figure.alt
        assert "within 48 h is forecast with a median error of 20 µmol/L" in figure.alt

    def test_values_of_before_the_stay_are_not_drawn(self) -> None:
        assert not has_values(creatinine((50.0, 99.0), (80.0, 90.0)), stay())
        assert has_values(creatinine((50.0, 101.0), (80.0, 90.0)), stay())

    def test_forecast_alone_is_drawn(self) -> None:
        maxima = np.array([[NAN, NAN], [80.0, 90.0], [NAN, NAN]])
        assert "nothing measured" in draw_lab(creatinine((), (), maxima), stay()).alt

    @pytest.mark.parametrize("count", [1, 2, 4, 7, 8])
    def test_grid_holds_any_number_of_labs(self, count: int, pixels_of: Callable[..., np.ndarray]) -> None:
        figure = draw_lab_grid([creatinine((107.0,), (80.0,))] * count, stay())
        assert figure.alt.count("Creatinine: 1 measured") == count
        # One row up to four charts of four, two above.
        assert pixels_of(figure).shape[0] == (1 if count <= 4 else 2) * 208 + 58

    def test_amounts_are_bars_from_zero(self, pixels_of: Callable[..., np.ndarray]) -> None:
        urine = MeasuredCourse(name="urine", unit="mL", hours=(106.0,), values=(200.0,))
        assert draw_lab(LabPanel("Urine", "mL", urine, is_amount=True), stay()).name == "lab_urine"

    def test_nothing_to_draw_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="found Creatinine"):
            draw_lab(creatinine((), ()), stay())
        with pytest.raises(ShapeError, match="found 0 and 3"):
            draw_lab_grid([], stay())


def test_clock_reaches_the_last_injury_and_measurement() -> None:
    course = MeasuredCourse(name="urea", unit="mmol/L", hours=(101.0, 180.0), values=(5.0, 6.0))
    assert stay_clock(stay()).end_h == 24.0
    assert stay_clock(stay(measured=(course,))).end_h == 80.0
    late = stay_clock(stay(measured=(course,), onsets=(KnownOnset(hour=220.0, stage=1),)))
    assert (late.end_h, late.in_days) == (120.0, True)


class TestHistogram:
    def test_stays_at_the_threshold_are_counted_as_reaching_it(self) -> None:
        figure = draw_risk_histogram(
            np.array([0.1, 0.3, 1.0]), np.array([0.25]), horizon_h=48.0, threshold=0.3
        )
        assert "4 stays: 2 reach the threshold of 0.30, 0 of them with a known injury" in figure.alt

    def test_no_stay_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="needs a stay"):
            draw_risk_histogram(np.zeros(0), np.zeros(0), horizon_h=48.0, threshold=0.3)
