"""Axis maps: between which voxels of one grid those of another lie, along one axis."""

from dataclasses import dataclass

import torch

from medpipe.core.network_grid import NetworkAxis


@dataclass(frozen=True, eq=False)
class AxisMap:
    """Where voxels of an axis lie between those of another grid.

    Attributes:
        low: ``(N,)`` int64, voxel of the other grid at or before each voxel.
        high: ``(N,)`` int64, the next one, or the same at the ends and where the nearest counts alone.
        weight: ``(N,)`` float32 of ``high``.
        is_plain: Whether torch interpolates so: linearly, over one field of view.
    """

    low: torch.Tensor
    high: torch.Tensor
    weight: torch.Tensor
    is_plain: bool

    @classmethod
    def of_image(
        cls, axis: NetworkAxis, device: torch.device | str = "cpu", *, is_nearest: bool = False
    ) -> "AxisMap":
        """Map the image's voxels onto the network's; see :meth:`of_network`."""
        place = (torch.arange(axis.outer, dtype=torch.float64) + 0.5 - axis.start) * (
            axis.inner / axis.extent
        )
        return cls._at(place, axis.inner, device, is_nearest=is_nearest, is_plain=axis.is_divided)

    @classmethod
    def of_network(
        cls, axis: NetworkAxis, device: torch.device | str = "cpu", *, is_nearest: bool = False
    ) -> "AxisMap":
        """Map the network's voxels onto the image's.

        Args:
            axis: Both grids.
            device: Where values will lie.
            is_nearest: Whether the nearest voxel counts alone.
        """
        place = (torch.arange(axis.inner, dtype=torch.float64) + 0.5) * axis.step + axis.start
        return cls._at(place, axis.outer, device, is_nearest=is_nearest, is_plain=axis.is_divided)

    @classmethod
    def _at(
        cls,
        place: torch.Tensor,
        size: int,
        device: torch.device | str,
        *,
        is_nearest: bool,
        is_plain: bool,
    ) -> "AxisMap":
        """Map places, counted from the face where the first of ``size`` voxels begins."""
        if is_nearest:
            low = place.long().clamp(0, size - 1).to(device)
            return cls(low, low, torch.zeros(len(place), device=device), is_plain=False)
        centred = (place - 0.5).clamp(0.0, size - 1.0)
        low = centred.long()
        high = (low + 1).clamp_max(size - 1)
        return cls(low.to(device), high.to(device), (centred - low).float().to(device), is_plain)

    def rows(self, first: int, last: int, origin: int) -> "AxisMap":
        """Return voxels ``first`` to ``last`` (left out), those of the other grid counted from ``origin``."""
        part = slice(first, last)
        return AxisMap(self.low[part] - origin, self.high[part] - origin, self.weight[part], self.is_plain)

    def interpolated(self, values: torch.Tensor, axis: int) -> torch.Tensor:
        """Return float32 values of the other grid at the voxels' places along an axis."""
        shape = [-1 if other == axis else 1 for other in range(values.ndim)]
        low, high = (values.index_select(axis, index) for index in (self.low, self.high))
        return low.lerp_(high, self.weight.view(shape))
