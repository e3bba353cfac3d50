"""Planar images: no spacing is invented."""

import pytest
import torch

from medpipe.core.errors import ShapeError
from medpipe.core.planar import Photometric, Planar, SpacingKind
from medpipe.core.source import Source, SourceKind


def radiograph(shape: tuple[int, ...], spacing: tuple[float, float] | None, kind: SpacingKind) -> Planar:
    """Return a dark radiograph."""
    source = Source(kind=SourceKind.MEMORY)
    return Planar(torch.zeros(shape), spacing, kind, "PA", None, Photometric.MONOCHROME2, "DX", source)


@pytest.mark.parametrize(
    ("spacing", "kind"),
    [((0.1, 0.2), SpacingKind.CALIBRATED), ((0.1, 0.2), SpacingKind.DETECTOR), (None, SpacingKind.NONE)],
)
def test_spacing_and_its_kind_belong_together(spacing: tuple[float, float] | None, kind: SpacingKind) -> None:
    assert radiograph((1, 4, 5), spacing, kind).pixel_spacing_mm == spacing


@pytest.mark.parametrize(("spacing", "kind"), [(None, SpacingKind.DETECTOR), ((0.1, 0.2), SpacingKind.NONE)])
def test_spacing_without_kind_and_kind_without_spacing_are_refused(
    spacing: tuple[float, float] | None, kind: SpacingKind
) -> None:
    with pytest.raises(ShapeError, match=f"with kind {kind}"):
        radiograph((1, 4, 5), spacing, kind)


@pytest.mark.parametrize("shape", [(4, 5), (1, 0, 5), (1, 1, 4, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"found shape \("):
        radiograph(shape, None, SpacingKind.NONE)
