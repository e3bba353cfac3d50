"""Dice and cross-entropy: the loss of segmentation."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def dice_cross_entropy(logits: Tensor, label_map: Tensor, *, batch_dice: bool = False) -> Tensor:
    """Return soft Dice loss plus cross-entropy, each with weight 1.

    Background counts in the cross-entropy only. A class that is absent from the truth has no overlap to
    gain: it is left out of the Dice mean, and the cross-entropy alone pushes it down.

    Args:
        logits: ``(B, num_classes, I, J[, K])`` of any float type; computed in float32.
        label_map: ``(B, I, J[, K])`` integers from 0 to ``num_classes - 1``.
        batch_dice: Whether overlaps are summed over the batch before dividing, instead of a case at a time:
            steadier where patches hold little of a class. Under several processes each has its own batch.

    Returns:
        Scalar float32.

    Source:
        Isensee et al. 2021, "nnU-Net", methods; on present classes equal to MONAI's ``DiceCELoss`` with
        ``softmax=True, include_background=False`` and no smoothing.
    """
    logits = logits.float()
    targets = label_map.long()
    probs = logits.softmax(dim=1)
    truth = torch.zeros_like(probs).scatter_(1, targets.unsqueeze(1), 1.0)
    overlap, volumes, present = _class_sums(probs, truth, batch_dice=batch_dice)
    # Absent classes get a denominator of 1, lest 0 / 0 reaches the gradient.
    losses = 1.0 - 2.0 * overlap / torch.where(present, volumes, 1.0)
    dice_loss = (losses * present).sum() / present.sum().clamp(min=1)
    return dice_loss + cross_entropy(logits, targets)


def _class_sums(probs: Tensor, truth: Tensor, *, batch_dice: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return overlap, sum of both volumes and presence of each class but background, ``([B,] classes)``."""
    axes = tuple(range(2, probs.ndim))
    axes = (0, *axes) if batch_dice else axes
    true_volumes = truth.sum(dim=axes)[..., 1:]
    overlap = (probs * truth).sum(dim=axes)[..., 1:]
    return overlap, probs.sum(dim=axes)[..., 1:] + true_volumes, true_volumes > 0
