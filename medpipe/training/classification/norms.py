"""Batch norm in an encoder of slices: what is normal is learned from slices of many studies, once."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from medpipe.core.slice_preprocessing import SlicePreprocessing
from medpipe.data.slice_store import SliceStore
from medpipe.inference.slices import slice_channels
from medpipe.models.slice_aggregator.model import SliceAggregator
from medpipe.models.slice_aggregator.stacks import with_neighbours

_STUDIES, _SLICES = 256, 8
"""Studies, and slices of each, that tell what is normal."""
_BATCH = 64


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the layers of batch norm in a network of images."""
    return [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


@torch.no_grad()
def settle_norms(
    network: SliceAggregator, spec: SlicePreprocessing, store: SliceStore, ids: Sequence[str], *, seed: int
) -> None:
    """Take the statistics of batch norm in the encoder from slices that are drawn from studies.

    Weights of photographs come with the statistics of photographs, new ones with none; where whole studies
    are learned from, these stay as they are.

    Args:
        network: Changed.
        spec: Its preprocessing.
        store: Of the slices.
        ids: Studies to draw from.
        seed: Of the draw.
    """
    norms = batch_norms(network.encoder)
    if not norms:
        return
    rng = np.random.default_rng(seed)
    drawn = []
    for number in rng.permutation(len(ids))[:_STUDIES]:
        values = torch.from_numpy(np.array(store.slices(ids[number]))).float()
        window = torch.from_numpy(store.window(ids[number]))
        shown = with_neighbours(slice_channels(values, spec, window), [len(values)], network.neighbours)
        drawn.append(shown[rng.permutation(len(shown))[:_SLICES]])
    pool = torch.cat(drawn)[rng.permutation(sum(map(len, drawn)))]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # every batch counts alike
    was_training = network.training
    network.encoder.train()
    for batch in torch.split(pool, _BATCH):
        if len(batch) > 1:
            network.encoder(batch)
    network.train(was_training)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
