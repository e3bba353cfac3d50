"""The score head: one scale for sizes, ordered thresholds."""

import torch
from torch.testing import assert_close

from medpipe.models.unet.score_head import RunningScale, ScoreHead


def test_running_scale_knows_mean_and_spread_of_all_that_passed() -> None:
    values = (
        torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.2, 1.0, 5.0]) - 4.0
    )
    scale = RunningScale(3)
    for batch in values.split(2):
        scale(batch)
    expected = (values - values.mean(dim=0)) / values.std(dim=0, correction=0)
    assert_close(scale.eval()(values), expected, rtol=1e-4, atol=1e-4)


def test_running_scale_survives_half_precision() -> None:
    values = torch.randn(200, 2, generator=torch.Generator().manual_seed(1)) * 0.1 - 8.0
    scale = RunningScale(2)
    for batch in values.split(4):
        scale(batch)
    full = scale.eval()(values)
    assert_close(scale.half()(values), full, rtol=0, atol=0.05)


def test_it_does_not_change_in_use() -> None:
    scale = RunningScale(2).eval()
    scale(torch.full((4, 2), 9.0))
    assert not scale.mean.any()


def test_ordinal_logits_never_rise() -> None:
    head = ScoreHead(4, 2, (1, 5), hidden=(8,), activation="relu", dropout=0.0).eval()
    generator = torch.Generator().manual_seed(0)
    for step in head.steps.values():
        torch.nn.init.normal_(step, std=3.0, generator=generator)
    with torch.inference_mode():
        out = head(
            torch.randn(6, 4, 3, 3, 3, generator=generator), torch.randn(6, 2, 8, 8, 8, generator=generator)
        )
    assert out.shape == (6, 6)
    assert (out[:, 1:].diff(dim=1) <= 0).all()


def test_scores_do_not_train_the_masks() -> None:
    head = ScoreHead(4, 2, (1,), hidden=(8,), activation="relu", dropout=0.0)
    features, logits = torch.randn(3, 4, 2, 2, 2), torch.randn(3, 2, 4, 4, 4)
    head(features.requires_grad_(), logits.requires_grad_()).square().sum().backward()
    assert features.grad is not None
    assert features.grad.any()
    assert logits.grad is None
