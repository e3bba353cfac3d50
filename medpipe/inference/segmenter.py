"""The segmenter: volumes in, a label map on their own grid out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from torch import nn

from medpipe.core.findings import Laterality
from medpipe.core.preprocessing import Preprocessing
from medpipe.core.volume import Volume
from medpipe.inference.preprocess import prepare
from medpipe.inference.slabs import slab_axis
from medpipe.inference.tiling import Tiling, slabs_of_logits

if TYPE_CHECKING:
    from medpipe.zoo.package import Package


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A network with what it expects of its input.

    Attributes:
        network: Gives an output with ``logits``; lies on ``device``.
        preprocessing: What is done to volumes before it.
        tiling: How large ones are cut.
        device: ``"cpu"`` or ``"cuda:N"``.
    """

    network: nn.Module
    preprocessing: Preprocessing
    tiling: Tiling
    device: str = "cpu"

    def segment(
        self, volumes: Mapping[str, Volume], *, side: Laterality | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the label map of volumes on their grid.

        Args:
            volumes: One volume for each channel.
            side: Side that they show, where the network knows one side only.

        Returns:
            ``(I, J, K)`` uint8.

        Raises:
            RefusedError: A channel is missing, of another modality or on another grid.
        """
        prepared = prepare(volumes, self.preprocessing, device=self.device, side=side)
        p, q, r = prepared.images.shape[1:]
        axis = slab_axis((p, q, r), self.tiling.patch_shape)
        slabs = slabs_of_logits(self.network, prepared.images, self.tiling, axis=axis)
        labels: npt.NDArray[np.uint8] = prepared.restore_slabs(slabs, axis=axis).numpy()
        return labels


def load_segmenter(package: "Package", device: str = "cpu", *, overlap: float = 0.5) -> Segmenter:
    """Return the segmenter of a model package.

    Args:
        package: From :func:`medpipe.zoo.finder.find_package`.
        device: ``"cpu"`` or ``"cuda:N"``.
        overlap: Share of a patch that it has in common with the next one.

    Raises:
        MachineError: The weights are not those of the manifest.
        SettingsError: The weights do not fit the network.
    """
    is_gpu = device.startswith("cuda")
    tiling = Tiling(
        package.manifest.preprocessing.patch_shape,
        overlap=overlap,
        batch_size=4 if is_gpu else 1,
        precision="fp16" if is_gpu else "fp32",
    )
    return Segmenter(package.load_network(device), package.manifest.preprocessing, tiling, device)
