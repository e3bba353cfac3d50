"""Prepared input: a network's images and the way back from its logits to labels on the source grid."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from medpipe.core.grid import Box, Grid, Reorientation
from medpipe.core.network_grid import NetworkAxes, WayBack
from medpipe.core.preprocessing import Shape3
from medpipe.inference.slabs import Slab
from medpipe.inference.source_labels import SourceLabels


@dataclass(frozen=True, eq=False)
class Prepared:
    """A network's input and the way back.

    Attributes:
        images: ``(C, P, Q, R)`` float32 on the device, padded.
        source: Grid of the volume it was made from.
        box: Part of the source that it shows; what lies outside is background.
        reorientation: What was done to the axes.
        mirrored: Axis of the reoriented array that was reversed; None for none.
        axes: Voxels after resampling, before padding, over those before it.
        offset: Padded voxels in front, along each axis.
        thick_axis: Axis whose logits are taken from the nearest voxel; None for none.
        way_back: What comes back to the source.
    """

    images: torch.Tensor
    source: Grid
    box: Box
    reorientation: Reorientation
    mirrored: int | None
    axes: NetworkAxes
    offset: Shape3
    thick_axis: int | None = None
    way_back: WayBack = WayBack.LOGITS

    @property
    def oriented(self) -> Grid:
        """Grid of what is shown of the source, after the reorientation."""
        return self.reorientation.of_grid(self.source.cropped(self.box))

    @property
    def inner_shape(self) -> Shape3:
        """Shape after resampling, before padding."""
        i, j, k = (axis.inner for axis in self.axes)
        return i, j, k

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing of the input along its axes."""
        steps = zip(self.oriented.spacing, self.axes, strict=True)
        i, j, k = (step * axis.extent / axis.inner for step, axis in steps)
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
            ``(I, J, K)`` uint8 on the CPU: the class of the highest logit, interpolated as the
            specification says.
        """
        return self._placed(slabs, self.offset, axis=axis)

    def _placed(self, slabs: Iterable[Slab], offset: Shape3, *, axis: int) -> torch.Tensor:
        collected = SourceLabels(self.axes, offset, axis, thick_axis=self.thick_axis, way_back=self.way_back)
        for slab in slabs:
            collected.add(slab)
        labels = collected.result()
        labels = labels.flip(reversed_axes(self.reorientation, self.mirrored))
        inverse = [self.reorientation.order.index(axis) for axis in range(3)]
        whole = torch.zeros(self.source.shape, dtype=labels.dtype)
        whole[self.box] = labels.permute(inverse)
        return whole


def reversed_axes(move: Reorientation, mirrored: int | None) -> list[int]:
    """Return the axes of a network's input that run against those of the source.

    Reversed twice is not reversed: a mirrored axis may be one that was flipped.
    """
    return [axis for axis in range(3) if (axis in move.flips) != (axis == mirrored)]
