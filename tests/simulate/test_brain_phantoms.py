"""Simulated brains: what the severity changes, what it does not, and the data set that is written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.data.case_table import TableColumns, read_table
from medpipe.data.reading import read_case
from medpipe.simulate.brain_phantoms import (
    GREY,
    MMSE_SCATTER,
    VENTRICLES,
    WHITE,
    PhantomBrain,
    expected_mmse,
    phantom_brain,
    write_phantom_brains,
)

SEEDS = range(12)


@pytest.fixture(scope="module")
def healthy() -> list[PhantomBrain]:
    return [phantom_brain(seed, severity=0.0) for seed in SEEDS]


@pytest.fixture(scope="module")
def atrophied() -> list[PhantomBrain]:
    return [phantom_brain(seed, severity=1.0) for seed in SEEDS]


def volume_ml(brain: PhantomBrain, label: int) -> float:
    return float((brain.label_map == label).sum()) * brain.image.grid.voxel_volume_ml


def test_ventricles_widen_and_grey_matter_is_lost(
    healthy: list[PhantomBrain], atrophied: list[PhantomBrain]
) -> None:
    for before, after in zip(healthy, atrophied, strict=True):
        assert volume_ml(after, VENTRICLES) > 1.5 * volume_ml(before, VENTRICLES)
        assert volume_ml(after, GREY) < 0.8 * volume_ml(before, GREY)


def test_volumes_of_the_healthy_are_those_of_brains(healthy: list[PhantomBrain]) -> None:
    assert 5 < np.mean([volume_ml(brain, VENTRICLES) for brain in healthy]) < 40
    total = [volume_ml(brain, GREY) + volume_ml(brain, WHITE) for brain in healthy]
    assert 1200 < np.mean(total) < 2000


def test_mmse_falls_with_severity_and_scatters(
    healthy: list[PhantomBrain], atrophied: list[PhantomBrain]
) -> None:
    low, high = ([brain.mmse for brain in brains] for brains in (atrophied, healthy))
    assert max(low) < min(high)
    assert all(0 <= mmse <= 30 and mmse == round(mmse) for mmse in low + high)
    drawn = [phantom_brain(seed) for seed in SEEDS]
    errors = [brain.mmse - expected_mmse(brain.severity) for brain in drawn]
    assert 0.3 * MMSE_SCATTER < np.std(errors) < 2 * MMSE_SCATTER


def test_tissues_have_their_order_of_brightness(healthy: list[PhantomBrain]) -> None:
    for brain in healthy:
        image = brain.image.array[0].numpy()
        fluid, grey, white = (image[brain.label_map == label].mean() for label in (VENTRICLES, GREY, WHITE))
        assert fluid < grey < white


def test_the_same_seed_gives_the_same_brain() -> None:
    first, second, other = phantom_brain(3), phantom_brain(3), phantom_brain(4)
    assert torch.equal(first.image.array, second.image.array)
    assert (first.mmse, first.severity) == (second.mmse, second.severity)
    assert not torch.equal(first.image.array, other.image.array)


def test_the_data_set_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    table = write_phantom_brains(tmp_path, range(2))
    case_set = read_table(table, columns=TableColumns(numbers=("mmse", "severity")))
    for seed, case in enumerate(case_set.cases):
        brain, files = phantom_brain(seed), read_case(case)
        assert files.label_map is not None
        np.testing.assert_array_equal(files.label_map, brain.label_map)
        np.testing.assert_array_equal(files.volumes["image"].array, brain.image.array)
        assert case.facts["mmse"] == brain.mmse
