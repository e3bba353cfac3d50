"""Familiarity: studies as those learned from lie near 1, others far off."""

import torch
from torch.testing import assert_close

from medpipe.models.slice_aggregator.familiarity import Familiarity, study_means


def learned() -> Familiarity:
    """Return what knows features of mean (10, 0) and standard deviation (2, 1)."""
    familiarity = Familiarity(2)
    # By hand: (8, 10, 12) have the mean 10 and the sample deviation 2; (-1, 0, 1) likewise 0 and 1.
    familiarity.learn(torch.tensor([[8.0, -1.0], [10.0, 0.0], [12.0, 1.0]]))
    return familiarity


def test_distance_is_the_root_mean_square_over_features() -> None:
    # One study of two slices, whose mean is (16, 4): 3 and 4 standard deviations off.
    novelty = learned()(torch.tensor([[15.0, 5.0], [17.0, 3.0]]), [2])
    assert_close(novelty, torch.tensor([((9 + 16) / 2) ** 0.5]))


def test_each_study_is_seen_alone() -> None:
    features = torch.tensor([[10.0, 0.0], [12.0, 1.0], [10.0, 0.0]])
    together = learned()(features, [1, 2])
    assert_close(together[0], torch.tensor(0.0))
    assert_close(together[1:], learned()(features[1:], [2]))
    assert_close(study_means(features, [1, 2])[1], torch.tensor([11.0, 0.5]))


def test_feature_that_never_changed_does_not_decide_alone() -> None:
    familiarity = Familiarity(2)
    familiarity.learn(torch.tensor([[5.0, 0.0], [5.0, 2.0]]))
    assert familiarity.std[0] > 0
    assert torch.isfinite(familiarity(torch.tensor([[6.0, 1.0]]), [1])).all()


def test_one_study_gives_the_mean_alone() -> None:
    familiarity = Familiarity(1)
    familiarity.learn(torch.tensor([[3.0]]))
    assert_close(familiarity(torch.tensor([[5.0]]), [1]), torch.tensor([2.0]))


def test_what_was_learned_is_part_of_the_state() -> None:
    other = Familiarity(2)
    other.load_state_dict(learned().state_dict())
    assert_close(other.mean, torch.tensor([10.0, 0.0]))
