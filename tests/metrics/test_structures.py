"""Counts, means and centroids of labels, beside numpy's label by label."""

import numpy as np
from numpy.testing import assert_allclose

from medpipe.metrics.structures import centroids, count_labels, mean_by_label

LABELS = np.random.default_rng(1).integers(0, 4, (5, 6, 7)).astype(np.uint8) * (np.arange(7) < 6)
LABELS = np.where(LABELS == 2, 200, LABELS).astype(np.uint8)
FOUND = (0, 1, 3, 200)


def test_voxels_are_counted_background_first() -> None:
    counts = count_labels(LABELS)
    assert counts.shape == (256,)
    assert counts.sum() == LABELS.size
    assert [counts[value] for value in FOUND] == [np.count_nonzero(value == LABELS) for value in FOUND]


def test_means_are_over_each_label_and_undefined_without_a_voxel() -> None:
    values = np.random.default_rng(2).normal(-1000, 50, LABELS.shape).astype(np.float32)
    means = mean_by_label(LABELS, values)
    for value in FOUND:
        assert_allclose(means[value], values[value == LABELS].astype(float).mean(), rtol=1e-12)
    assert np.isnan(means).sum() == 256 - len(FOUND)


def test_centroids_are_mean_indices_in_array_order() -> None:
    found = centroids(LABELS, 201)
    for value in FOUND:
        assert_allclose(found[value], np.argwhere(value == LABELS).mean(axis=0))
    assert np.isnan(found[2]).all()
