"""Features of slices, computed once: what all but the encoder is trained on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.data.slice_store import SliceStore
from medpipe.inference.slices import slice_channels
from medpipe.models.slice_aggregator.model import SliceAggregator

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FeatureStore:
    """What stands in place of slices: :class:`medpipe.data.study_dataset.StudyDataset` reads it alike.

    Attributes:
        store: Of the slices.
        features: ``(S, F)`` of each study by its id.
    """

    store: SliceStore
    features: dict[str, Features]

    def slices(self, case_id: str) -> Features:
        """Return the features of a study."""
        return self.features[case_id]

    def keys(self, case_id: str) -> tuple[str, ...]:
        """Return what names each slice."""
        return self.store.keys(case_id)

    def num_slices(self, case_id: str) -> int:
        """Return the number of slices."""
        return self.store.num_slices(case_id)

    def gaps_mm(self, case_id: str) -> Features:
        """Return ``(S,)`` distances to the slice before."""
        return self.store.gaps_mm(case_id)

    def window(self, case_id: str) -> Features:
        """Return ``(2,)``: the ends of the header's window, which the features rest on."""
        return self.store.window(case_id)


@torch.inference_mode()
def compute_features(
    network: SliceAggregator,
    spec: SlicePreprocessing,
    store: SliceStore,
    ids: Iterable[str],
    *,
    device: str = "cpu",
    progress: Callable[[], None] = lambda: None,
) -> FeatureStore:
    """Encode the slices of studies by the network as it stands.

    Args:
        network: Left on ``device``, in the mode that it was in.
        spec: Its preprocessing.
        store: Of the slices.
        ids: Studies to encode.
        device: Where to compute.
        progress: Called after each study.
    """
    was_training = network.training
    network.to(device).eval()
    features = {}
    for case_id in ids:
        values = torch.from_numpy(np.array(store.slices(case_id))).to(device, torch.float32)
        window = torch.from_numpy(store.window(case_id))
        encoded = network.encode(slice_channels(values, spec, window), [len(values)])
        features[case_id] = encoded.float().cpu().numpy()
        progress()
    network.train(was_training)
    return FeatureStore(store, features)
