"""Labels on the source grid: those of logits interpolated at full size, without holding them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from medpipe.core.network_grid import NetworkAxes, NetworkAxis, SpacingGrid, WayBack
from medpipe.inference import source_labels
from medpipe.inference.slabs import Slab
from medpipe.inference.source_labels import SourceLabels, highest

Shape = tuple[int, int, int]

shapes = st.tuples(*[st.integers(1, 12)] * 3)


def logits_of(shape: Shape, *, rough: bool, num_classes: int = 3) -> torch.Tensor:
    """Build random logits: rough ones have borders everywhere, smooth ones here and there."""
    generator = torch.Generator().manual_seed(7)
    if rough:
        return torch.randn(num_classes, *shape, generator=generator)
    coarse = torch.randn(1, num_classes, 3, 3, 3, generator=generator)
    return functional.interpolate(coarse, size=shape, mode="trilinear", align_corners=False)[0]


def slabs_of(logits: torch.Tensor, axis: int, step: int) -> list[Slab]:
    """Cut logits into slabs that repeat the last plane of the one before."""
    planes = logits.movedim(axis + 1, 1)
    return [
        Slab(max(0, start - 1), planes[:, max(0, start - 1) : start + step])
        for start in range(0, planes.shape[1], step)
    ]


def dividing(inner: Shape, outer: Shape) -> NetworkAxes:
    i, j, k = (NetworkAxis.dividing(old, new) for old, new in zip(outer, inner, strict=True))
    return i, j, k


def labels_of(
    logits: torch.Tensor, outer: Shape, *, axis: int, step: int, inner: Shape | None = None
) -> torch.Tensor:
    shape = inner or (logits.shape[1], logits.shape[2], logits.shape[3])
    before = tuple((size - kept) // 2 for size, kept in zip(logits.shape[1:], shape, strict=True))
    collected = SourceLabels(dividing(shape, outer), (before[0], before[1], before[2]), axis)
    for slab in slabs_of(logits, axis, step):
        collected.add(slab)
    return collected.result()


def reference(logits: torch.Tensor, outer: Shape) -> torch.Tensor:
    wide = functional.interpolate(logits[None].double(), size=outer, mode="trilinear", align_corners=False)
    return wide[0]


def assert_highest(labels: torch.Tensor, logits: torch.Tensor) -> None:
    """Assert that each label has the highest logit but for rounding."""
    chosen = logits.gather(0, labels[None].long())[0]
    assert float((logits.max(dim=0).values - chosen).max()) < 1e-5


@given(shapes, shapes, st.integers(0, 2), st.integers(1, 5), st.booleans())
def test_labels_are_those_of_trilinear_interpolation(
    inner: Shape, outer: Shape, axis: int, step: int, rough: bool
) -> None:
    logits = logits_of(inner, rough=rough)
    assert_highest(labels_of(logits, outer, axis=axis, step=step), reference(logits, outer))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_gathering_and_interpolating_agree(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_labels, "_SPARSE_SHARE", share)
    monkeypatch.setattr(source_labels, "_MAX_LOGITS", 500)
    logits = logits_of((9, 8, 7), rough=False, num_classes=5)
    assert_highest(labels_of(logits, (17, 20, 9), axis=1, step=3), reference(logits, (17, 20, 9)))


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("thick_axis", range(3))
def test_across_thick_slices_the_nearest_logits_count(
    thick_axis: int, axis: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_labels, "_SPARSE_SHARE", share)
    inner, outer = (6, 5, 7), (11, 13, 12)
    logits = logits_of(inner, rough=True)
    collected = SourceLabels(dividing(inner, outer), (0, 0, 0), axis, thick_axis=thick_axis)
    for slab in slabs_of(logits, axis, 2):
        collected.add(slab)
    ratio = inner[thick_axis] / outer[thick_axis]
    nearest = torch.tensor([int((voxel + 0.5) * ratio) for voxel in range(outer[thick_axis])])
    spread = logits.index_select(thick_axis + 1, nearest)
    assert_highest(collected.result(), reference(spread, outer))


def on_exact_grid(logits: torch.Tensor, axis: int, way_back: WayBack) -> torch.Tensor:
    """Return labels on (17, 12, 9) voxels of logits on (9, 8, 7), which lie 2, 1.6 and 1.4 voxels apart."""
    sizes = zip((17, 12, 9), (1.0, 1.0, 1.0), (2.0, 1.6, 1.4), strict=True)
    i, j, k = (NetworkAxis.of_spacing(SpacingGrid.FIRST_VOXEL, *item) for item in sizes)
    collected = SourceLabels((i, j, k), (0, 0, 0), axis, way_back=way_back)
    for slab in slabs_of(logits, axis, 2):
        collected.add(slab)
    return collected.result()


def at_places(values: torch.Tensor) -> torch.Tensor:
    """Return values of (9, 8, 7) interpolated where voxel n of an axis lies at n / 2, n / 1.6 and n / 1.4."""
    for axis, (size, step) in enumerate(((17, 2.0), (12, 1.6), (9, 1.4)), start=1):
        places = (torch.arange(size) / step).clamp_max(values.shape[axis] - 1.0)
        low = places.floor().long()
        planes = [
            values.select(axis, int(first)) * (1 - rest)
            + values.select(axis, min(int(first) + 1, values.shape[axis] - 1)) * rest
            for first, rest in zip(low, places - low, strict=True)
        ]
        values = torch.stack(planes, dim=axis)
    return values


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("way_back", [WayBack.LOGITS, WayBack.PROBABILITIES])
def test_exact_spacing_is_honoured_on_the_way_back(
    way_back: WayBack, axis: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_labels, "_SPARSE_SHARE", share)
    logits = 3 * logits_of((9, 8, 7), rough=True)
    expected = {"logits": at_places(logits), "probabilities": at_places(logits.softmax(dim=0))}
    assert_highest(on_exact_grid(logits, axis, way_back), expected[way_back])
    assert not torch.equal(expected["logits"].argmax(dim=0), expected["probabilities"].argmax(dim=0))


def test_nearest_label_comes_back_where_nothing_is_interpolated() -> None:
    logits = logits_of((9, 8, 7), rough=True)
    found = on_exact_grid(logits, 1, WayBack.NEAREST)
    # Voxel 1 of the first axis lies at 1 / 2: halves go up. Voxels 11 and 8 of the others at 6.9 and 5.7.
    assert int(found[2, 11, 8]) == int(logits[:, 1, 7, 6].argmax())
    assert int(found[1, 1, 1]) == int(logits[:, 1, 1, 1].argmax())
    assert int(found[16, 0, 3]) == int(logits[:, 8, 0, 2].argmax())


@given(st.integers(0, 2), st.integers(1, 6))
def test_padding_is_left_out(axis: int, step: int) -> None:
    logits = logits_of((12, 11, 10), rough=True)
    inside = logits[:, 3:9, 2:8, 1:8]
    labels = labels_of(logits, (8, 6, 14), axis=axis, step=step, inner=(6, 6, 7))
    assert_highest(labels, reference(inside, (8, 6, 14)))


def test_first_of_equal_logits_wins_as_in_argmax() -> None:
    logits = torch.tensor([[1.0, 0.0, 2.0], [1.0, 0.0, 3.0], [0.0, 0.0, 3.0]])
    assert highest(logits).tolist() == logits.argmax(dim=0).tolist() == [0, 0, 1]


def test_missing_slabs_are_noticed() -> None:
    collected = SourceLabels(dividing((6, 2, 2), (6, 2, 2)), (0, 0, 0), 0)
    collected.add(Slab(0, torch.zeros(2, 3, 2, 2)))
    with pytest.raises(AssertionError, match="missing"):
        collected.result()
