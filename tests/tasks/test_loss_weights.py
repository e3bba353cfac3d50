"""Loss weights: fixed ones multiply, learned ones settle at the size of each loss."""

import pytest
import torch

from medpipe.tasks.loss_weights import LossWeights


def test_learned_weights_follow_the_size_of_each_loss() -> None:
    weights = LossWeights(("masks", "points"), {"points": 2.0}, learned=True)
    optimiser = torch.optim.SGD(weights.parameters(), lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        weights({"masks": torch.tensor(0.1), "points": torch.tensor(2.0)}).backward()
        optimiser.step()
    scales = {name: float(value.detach().exp()) for name, value in weights.log_scales.items()}
    assert scales == pytest.approx({"masks": 0.1, "points": 4.0}, rel=1e-3)


def test_fixed_weights_multiply() -> None:
    weights = LossWeights(("masks", "points"), {"points": 0.5}, learned=False)
    assert float(weights({"masks": torch.tensor(1.0), "points": torch.tensor(4.0)})) == 3.0
    assert not list(weights.parameters())
