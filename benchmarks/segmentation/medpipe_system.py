"""medpipe's engine, its parts timed."""

import time
from collections.abc import Iterator
from pathlib import Path

from segmentation.parts import FORWARD, LABELS, PREPROCESS, READ, WRITE, Clock, Segment
from segmentation.setting import OVERLAP, preprocessing
from torch import nn

from medpipe import load
from medpipe.inference.preprocess import prepare
from medpipe.inference.slabs import Slab, slab_axis
from medpipe.inference.tiling import TileForward, Tiling, slabs_of_logits
from medpipe.io.nifti import write_label_map


def medpipe_engine(
    network: nn.Module, device: str, *, interpolation: str = "linear", batch_size: int = 1
) -> Segment:
    spec = preprocessing(interpolation=interpolation)
    tiling = Tiling(spec.patch_shape, overlap=OVERLAP, batch_size=batch_size)

    def segment(scan: Path, mask: Path, clock: Clock) -> None:
        with clock.part(READ):
            volume = load(scan)
        with clock.part(PREPROCESS):
            prepared = prepare({"image": volume}, spec, device=device)
        p, q, r = prepared.images.shape[1:]
        axis = slab_axis((p, q, r), spec.patch_shape)
        started, before = time.perf_counter(), clock.seconds[FORWARD]
        forward = TileForward(network, tiling)
        slabs = _timed(slabs_of_logits(forward, prepared.images, axis=axis), clock)
        labels = prepared.restore_slabs(slabs, axis=axis).numpy()
        waited = clock.seconds[FORWARD] - before
        clock.seconds[LABELS] += time.perf_counter() - started - waited
        with clock.part(WRITE):
            write_label_map(mask, labels, volume.affine)

    return segment


def _timed(slabs: Iterator[Slab], clock: Clock) -> Iterator[Slab]:
    """Yield slabs, the time until each counted as the network's."""
    while True:
        with clock.part(FORWARD):
            slab = next(slabs, None)
        if slab is None:
            return
        yield slab
