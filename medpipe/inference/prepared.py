"""Prepared input: a network's images and the way back from its logits to labels on the source grid."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from medpipe.core.grid import Grid, Reorientation
from medpipe.core.preprocessing import Shape3
from medpipe.inference.slabs import Slab
from medpipe.inference.source_labels import SourceLabels


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network's input and the way back.

    Attributes:
        images: ``(C, P, Q, R)`` float32 on the device, padded.
        source: Grid of the volume it was made from.
        reorientation: What was done to the axes.
        mirrored: Axis of the reoriented array that was reversed; None for none.
        inner_shape: Shape after resampling, before padding.
        offset: Padded voxels in front, along each axis.
    """

    images: torch.Tensor
    source: Grid
    reorientation: Reorientation
    mirrored: int | None
    inner_shape: Shape3
    offset: Shape3

    @property
    def oriented_shape(self) -> Shape3:
        """Shape of the source after the reorientation."""
        i, j, k = (self.source.shape[axis] for axis in self.reorientation.order)
        return i, j, k

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing of the input along its axes."""
        oriented = self.reorientation.of_grid(self.source)
        i, j, k = (
            step * old / new
            for step, old, new in zip(oriented.spacing, oriented.shape, self.inner_shape, strict=True)
        )
        return i, j, k

    def inner(self, padded: torch.Tensor) -> torch.Tensor:
        """Return ``(C, P, Q, R)`` without the padding."""
        (p, q, r), (size_p, size_q, size_r) = self.offset, self.inner_shape
        return padded[:, p : p + size_p, q : q + size_q, r : r + size_r]

    def restore(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the label map of logits ``(num_classes, P, Q, R)``; see :meth:`restore_slabs`."""
        return self.restore_slabs([Slab(0, logits)], axis=0)

    def restore_inner(self, inner: torch.Tensor) -> torch.Tensor:
        """Return the label map of logits that have no padding; see :meth:`restore_slabs`."""
        return self._placed([Slab(0, inner)], (0, 0, 0), axis=0)

    def restore_slabs(self, slabs: Iterable[Slab], *, axis: int) -> torch.Tensor:
        """Return the label map on the source grid of logits that come in slabs.

        Args:
            slabs: Logits on the grid of the padded images, in order along ``axis``.
            axis: Axis of the images that the slabs follow.

        Returns:
            ``(I, J, K)`` uint8 on the CPU: the class of the highest logit, interpolated trilinearly.
        """
        return self._placed(slabs, self.offset, axis=axis)

    def _placed(self, slabs: Iterable[Slab], offset: Shape3, *, axis: int) -> torch.Tensor:
        collected = SourceLabels(self.inner_shape, self.oriented_shape, offset, axis)
        for slab in slabs:
            collected.add(slab)
        labels = collected.result()
        reversed_axes = [*self.reorientation.flips, *([] if self.mirrored is None else [self.mirrored])]
        # Reversed twice is not reversed: a mirrored axis may be one that was flipped.
        labels = labels.flip([axis for axis in range(3) if reversed_axes.count(axis) == 1])
        inverse = [self.reorientation.order.index(axis) for axis in range(3)]
        return labels.permute(inverse).contiguous()
