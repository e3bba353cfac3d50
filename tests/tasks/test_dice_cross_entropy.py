"""The loss: worked by hand, and beside MONAI's."""

import math

import pytest
import torch
from monai.losses import DiceCELoss
from torch.testing import assert_close

from medpipe.tasks.dice_cross_entropy import dice_cross_entropy


def log_probs(*rows: tuple[float, ...]) -> torch.Tensor:
    """Return logits ``(1, classes, voxels, 1)`` whose softmax is these probabilities, one row a voxel."""
    return torch.tensor(rows).log().T[None, :, :, None]


def random_case(*shape: int, num_classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and a label map in which every case holds every class."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(shape[0], num_classes, *shape[1:], generator=generator, requires_grad=True)
    label_map = torch.randint(num_classes, shape, generator=generator)
    label_map.view(shape[0], -1)[:, :num_classes] = torch.arange(num_classes)
    return logits, label_map


def test_two_voxels_by_hand() -> None:
    logits = log_probs((0.75, 0.25), (0.5, 0.5))
    label_map = torch.tensor([[[0], [1]]])
    # Dice of class 1: 2 * 0.5 / (0.25 + 0.5 + 1). Cross-entropy: the mean of -ln 0.75 and -ln 0.5.
    expected = (1 - 1 / 1.75) + (-math.log(0.75) - math.log(0.5)) / 2
    assert_close(dice_cross_entropy(logits, label_map), torch.tensor(expected))


@pytest.mark.parametrize("batch_dice", [False, True])
@pytest.mark.parametrize("shape", [(2, 4, 5), (3, 4, 5, 6)])
def test_equals_monai_in_value_and_gradient(shape: tuple[int, ...], batch_dice: bool) -> None:
    logits, label_map = random_case(*shape)
    peer = DiceCELoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        batch=batch_dice,
        smooth_nr=0.0,
        smooth_dr=0.0,
    )
    ours, theirs = (
        dice_cross_entropy(logits, label_map, batch_dice=batch_dice),
        peer(logits, label_map[:, None]),
    )
    assert_close(ours, theirs)
    assert_close(torch.autograd.grad(ours, logits)[0], torch.autograd.grad(theirs, logits)[0])


class TestAbsentClass:
    def test_is_left_out_of_the_dice_mean(self) -> None:
        logits, label_map = log_probs((0.7, 0.2, 0.1), (0.3, 0.6, 0.1)), torch.tensor([[[0], [1]]])
        # Class 2 is absent; class 1: 2 * 0.6 / (0.2 + 0.6 + 1).
        expected = (1 - 1.2 / 1.8) + (-math.log(0.7) - math.log(0.6)) / 2
        assert_close(dice_cross_entropy(logits, label_map), torch.tensor(expected))

    def test_in_one_case_counts_by_the_other_under_batch_dice(self) -> None:
        logits = torch.cat([log_probs((0.5, 0.5)), log_probs((0.75, 0.25))])
        label_map = torch.tensor([[[1]], [[0]]])
        cross_entropy = (-math.log(0.5) - math.log(0.75)) / 2
        # A case alone: only the first holds the class, 2 * 0.5 / (0.5 + 1). Together: 2 * 0.5 / (0.75 + 1).
        assert_close(dice_cross_entropy(logits, label_map), torch.tensor(1 - 1 / 1.5 + cross_entropy))
        together = dice_cross_entropy(logits, label_map, batch_dice=True)
        assert_close(together, torch.tensor(1 - 1 / 1.75 + cross_entropy))

    def test_background_alone_leaves_the_cross_entropy(self) -> None:
        loss = dice_cross_entropy(log_probs((0.8, 0.2)), torch.zeros(1, 1, 1, dtype=torch.uint8))
        assert_close(loss, torch.tensor(-math.log(0.8)))

    def test_certain_and_right_background_has_a_finite_gradient(self) -> None:
        logits = torch.tensor([200.0, -200.0]).reshape(1, 2, 1, 1).requires_grad_()
        dice_cross_entropy(logits, torch.zeros(1, 1, 1, dtype=torch.long)).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()


def test_half_precision_logits_are_computed_in_float32() -> None:
    logits, label_map = random_case(1, 8, 8, 8)
    coarse = logits.detach().bfloat16()
    assert_close(dice_cross_entropy(coarse, label_map), dice_cross_entropy(coarse.float(), label_map))


def test_label_outside_the_classes_is_not_taken_for_background() -> None:
    logits, label_map = random_case(1, 4, 4)
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        dice_cross_entropy(logits, label_map + 1)
