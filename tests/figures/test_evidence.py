"""Evidence: where there is none nothing changes, where there is some the anatomy stays."""

import numpy as np

from medpipe.figures.evidence import with_evidence

GREY = np.repeat(np.arange(40, 200, 2, dtype=np.uint8).reshape(8, 10)[:, :, None], 3, axis=2)


def test_no_evidence_changes_nothing() -> None:
    assert np.array_equal(with_evidence(GREY, np.zeros((2, 3))), GREY)


def test_full_evidence_keeps_more_than_half_of_the_pixels() -> None:
    washed = with_evidence(GREY, np.ones((8, 10)))
    # 55 % of the grey and 45 % of orange (255, 128, 40); no line, as no edge lies within.
    expected = np.round(0.55 * GREY + 0.45 * np.array([255, 128, 40]))
    assert np.abs(washed - expected).max() <= 1
    # What was brighter stays brighter.
    assert (np.diff(washed[..., 1].reshape(-1).astype(int)) > 0).all()


def test_a_line_runs_where_the_evidence_crosses_a_half() -> None:
    evidence = np.zeros((8, 10))
    evidence[:, 5:] = 1.0
    washed = with_evidence(GREY, evidence)
    is_line = (washed == [255, 128, 40]).all(axis=2)
    assert np.flatnonzero(is_line.all(axis=0)).tolist() == [4, 5]
    assert is_line.sum() == 16


def test_coarse_map_lies_over_the_same_field() -> None:
    # One of 2 x 2 cells: the upper left quarter.
    washed = with_evidence(GREY, np.array([[1.0, 0.0], [0.0, 0.0]]))
    changed = (washed != GREY).any(axis=2)
    assert changed[:3, :4].all()
    assert not changed[6:, 8:].any()


def test_pixels_are_not_changed_in_place() -> None:
    before = GREY.copy()
    with_evidence(GREY, np.ones((8, 10)))
    assert np.array_equal(GREY, before)
