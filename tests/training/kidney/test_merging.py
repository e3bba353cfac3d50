"""The weight of trees against networks."""

import numpy as np
import pytest

from medpipe.training.kidney.merging import choose_weight, merged

TRUTH = np.array([[0.0], [0.0], [1.0], [1.0], [np.nan]])
KNOWS = np.array([[-1.0], [-2.0], [1.0], [2.0], [9.0]])
KNOWS_NOT = np.array([[5.0], [-6.0], [-5.0], [6.0], [9.0]])


def test_better_of_two_gets_all_of_the_weight() -> None:
    # Half of each ranks 2.0 > -1.0 > -2.0 > -4.0: the well patient of 5.0 stays ahead of an ill one.
    assert choose_weight(KNOWS_NOT[None], KNOWS, TRUTH).weight == 1.0
    assert choose_weight(KNOWS[None], KNOWS_NOT, TRUTH).weight == 0.0


def test_of_equals_the_middle_is_taken() -> None:
    found = choose_weight(KNOWS[None], KNOWS, TRUTH)
    assert found.weight == 0.5
    assert found.areas == dict.fromkeys((0.0, 0.25, 0.5, 0.75, 1.0), 1.0)


def test_without_trees_networks_stand_alone() -> None:
    assert choose_weight(KNOWS[None], None, TRUTH) == (0.0, {})
    assert merged(KNOWS[None], None, 0.0).tolist() == KNOWS[None].tolist()


def test_merged_log_odds_keep_the_spread_of_the_networks() -> None:
    logits = np.stack([KNOWS - 1, KNOWS + 1])
    found = merged(logits, KNOWS_NOT, 0.25)
    assert found.mean(axis=0)[0, 0] == pytest.approx(0.75 * -1 + 0.25 * 5)
    assert np.ptp(found, axis=0)[0, 0] == pytest.approx(0.75 * 2)
