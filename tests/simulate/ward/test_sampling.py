"""When things are measured: panels, rounds, nights, and more in those who look ill."""

import numpy as np

from medpipe.simulate.ward.sampling import (
    draw_blood_times,
    draw_panels,
    draw_vital_times,
    has_catheter,
    urine_volumes,
)

HOURS = 24 * 400
CLOCK = np.arange(HOURS) % 24
WELL, ILL = np.zeros(HOURS), np.ones(HOURS)


def test_blood_is_drawn_on_admission_and_in_order() -> None:
    times = draw_blood_times(np.random.default_rng(0), CLOCK, WELL)
    assert 0.0 <= times[0] < 1.0
    assert (np.diff(times) > 0).all()


def test_the_ill_are_drawn_several_times_a_day_and_the_well_once() -> None:
    rng = np.random.default_rng(0)
    well, ill = (len(draw_blood_times(rng, CLOCK, illness)) / 400 for illness in (WELL, ILL))
    # Well: 0.8 on the round, 0.006 in each of 15 further hours by day and a quarter of that in 8 at night.
    assert abs(well - (0.8 + 0.006 * (15 + 8 / 4))) < 4 * 0.5 / 400**0.5
    # Ill: 0.99 on the round and 0.136 in each of 23 hours.
    assert abs(ill - (0.99 + 0.136 * 23)) < 4 * (23 * 0.136 * 0.864 / 400) ** 0.5


def test_the_well_sleep_at_night() -> None:
    times = draw_vital_times(np.random.default_rng(0), CLOCK, WELL)["mean_pressure"]
    assert set(np.floor(times[1:]).astype(int) % 24) <= {8, 14, 20}


def test_the_ill_are_watched_every_hour() -> None:
    times = draw_vital_times(np.random.default_rng(0), CLOCK, ILL)["mean_pressure"]
    assert len(times) / HOURS > 0.9


def test_panels_are_ordered_more_often_in_the_ill() -> None:
    rng = np.random.default_rng(0)
    well, ill = (draw_panels(rng, np.full(2000, illness)) for illness in (0.0, 1.0))
    for panel in ("bone", "count", "inflammation", "gas"):
        assert ill[panel].mean() > well[panel].mean() + 0.2


def test_a_catheter_stays_for_36_hours() -> None:
    illness = np.zeros(100)
    illness[10] = 0.5
    catheter = has_catheter(illness, np.zeros(100, bool))
    assert np.flatnonzero(catheter).tolist() == list(range(10, 47))


def test_with_a_catheter_no_urine_is_lost() -> None:
    flow = np.arange(48.0)
    times, volumes = urine_volumes(
        np.random.default_rng(0), np.arange(48) % 24, np.zeros(48), np.ones(48, bool), flow
    )
    # Every four hours, at 2, 6, ...: what ran from one to the next.
    assert times.tolist() == list(range(2, 48, 4))
    assert volumes[:2].tolist() == [0 + 1, 2 + 3 + 4 + 5]
    assert volumes.sum() == flow[:46].sum()


def test_without_one_most_shifts_are_not_written_down_and_their_urine_is_lost() -> None:
    flow = np.full(HOURS, 50.0)
    times, volumes = urine_volumes(np.random.default_rng(0), CLOCK, WELL, np.zeros(HOURS, bool), flow)
    assert set(times.astype(int) % 24) == {6, 14, 22}
    assert 0.25 < len(times) / 1200 < 0.45
    assert (volumes[1:] == 400.0).all()
