"""Connected objects of a label map: neighbours of equal value, of all labels and the background at once.

A map is taken as runs of equal values along its last axis. Runs are few where voxels are many, so that time
and memory follow the surfaces of the structures, whatever the number of labels.

Letters: R runs, N objects, M contacts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

LabelMap = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a label map: voxels of equal value that are connected through faces.

    Attributes:
        shape: ``(I, J, K)`` of the map.
        lengths: ``(R,)`` voxels of each run, in C order.
        numbers: ``(R,)`` object of each run.
        values: ``(N,)`` uint8, value of each object; those of the background have 0.
        sizes: ``(N,)`` voxels of each object.
        contacts: ``(M, 2)`` objects of different values that share a face; a pair may stand there often.
    """

    shape: tuple[int, ...]
    lengths: Indices
    numbers: Indices
    values: LabelMap
    sizes: Indices
    contacts: Indices

    def painted(self, values: LabelMap) -> LabelMap:
        """Return the ``(I, J, K)`` map in which each object has another of ``(N,)`` values."""
        return np.repeat(values[self.numbers], self.lengths).reshape(self.shape)

    def at_border(self) -> npt.NDArray[np.bool_]:
        """Return whether each object touches the border of the map: ``(N,)`` bool."""
        size_i, size_j, size_k = self.shape
        starts = np.cumsum(self.lengths) - self.lengths
        rows, first = np.divmod(starts, size_k)
        plane, row = np.divmod(rows, size_j)
        outer = (plane == 0) | (plane == size_i - 1) | (row == 0) | (row == size_j - 1)
        outer |= (first == 0) | (first + self.lengths == size_k)
        found = np.zeros(len(self.values), dtype=bool)
        found[self.numbers[outer]] = True
        return found


def connected_objects(label_map: LabelMap) -> Objects:
    """Find the objects of a label map.

    Args:
        label_map: ``(I, J, K)`` uint8 of at least one voxel.
    """
    flat = np.ascontiguousarray(label_map).ravel()
    starts = _run_starts(flat, label_map.shape[-1])
    ends = np.append(starts[1:], flat.size)
    run_values = flat[starts]
    pairs = np.concatenate(list(_neighbours(starts, ends, label_map.shape)))
    is_same = run_values[pairs[:, 0]] == run_values[pairs[:, 1]]
    same = pairs[is_same].T
    graph = coo_matrix((np.ones(same.shape[1], np.bool_), tuple(same)), shape=(len(starts), len(starts)))
    count, numbers = connected_components(graph, directed=False)
    values = np.zeros(count, dtype=np.uint8)
    values[numbers] = run_values
    lengths = ends - starts
    sizes = np.bincount(numbers, weights=lengths, minlength=count).astype(np.int64)
    return Objects(label_map.shape, lengths, numbers, values, sizes, numbers[pairs[~is_same]])


def _run_starts(flat: LabelMap, row_length: int) -> Indices:
    """Return where runs begin; no run reaches beyond its row."""
    is_start = np.ones(flat.size, dtype=bool)
    np.not_equal(flat[1:], flat[:-1], out=is_start[1:])
    is_start[::row_length] = True
    return np.flatnonzero(is_start)


def _neighbours(starts: Indices, ends: Indices, shape: tuple[int, ...]) -> Iterator[Indices]:
    """Yield ``(M, 2)`` runs that share a face, axis by axis."""
    _, size_j, size_k = shape
    follows = np.flatnonzero(starts[1:] % size_k)
    yield np.stack([follows, follows + 1], axis=1)
    row = starts // size_k % size_j
    yield _facing(starts, ends, np.flatnonzero(row < size_j - 1), size_k)
    plane = size_j * size_k
    yield _facing(starts, ends, np.flatnonzero(starts < ends[-1] - plane), plane)


def _facing(starts: Indices, ends: Indices, chosen: Indices, step: int) -> Indices:
    """Return ``(M, 2)`` pairs of each chosen run and those beside it, ``step`` voxels further on."""
    first = np.searchsorted(ends, starts[chosen] + step, side="right")
    counts = np.searchsorted(starts, ends[chosen] + step, side="left") - first
    before = np.cumsum(counts) - counts
    others = np.arange(counts.sum()) + np.repeat(first - before, counts)
    return np.stack([np.repeat(chosen, counts), others], axis=1)
