"""Upright crops show a turned head as an upright one, at its true size."""

import numpy as np
import pytest
import torch

from medpipe.core.affine import apply_affine
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.grid import Grid
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.transforms.registration import Registration
from medpipe.transforms.structure_crop import STRUCTURES, paste_labels
from medpipe.transforms.upright_crop import grid_turn_degrees, upright_crop

HIPPOCAMPUS = STRUCTURES["hippocampus"]


def turn_about_x(degrees: float) -> np.ndarray:
    turn = np.eye(4)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    return turn


def smooth(points_mm: np.ndarray) -> np.ndarray:
    """Return smooth intensities at places of the upright head."""
    return np.asarray(np.sin(points_mm / 9.0).sum(axis=-1) + points_mm[..., 0] / 40.0)


def turned_head(degrees: float, step: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Volume:
    """Scan a smooth head, turned about the left-right axis, on a grid along the scanner's axes."""
    shape = tuple(int(170 / size) for size in step)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = -85.0
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    places = apply_affine(np.linalg.inv(turn_about_x(degrees)), grid.to_world_mm(indices.reshape(-1, 3)))
    values = smooth(places).reshape(shape).astype(np.float32)
    return Volume(torch.from_numpy(values)[None], affine, "MR", Source(kind=SourceKind.MEMORY))


def registration(degrees: float) -> Registration:
    return Registration(turn_about_x(degrees), 1.0, 1.0, 0.0)


@pytest.mark.parametrize("degrees", [0.0, 12.0, -25.0])
@pytest.mark.parametrize("codes", ["RAS", "PIL"])
def test_turn_is_that_of_the_voxel_axes(degrees: float, codes: str) -> None:
    head = turned_head(0.0, (5.0, 5.0, 5.0)).reoriented(codes)
    assert grid_turn_degrees(head, registration(degrees)) == pytest.approx(abs(degrees), abs=1e-6)


@pytest.mark.parametrize("step", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0)])
@pytest.mark.parametrize("side", [Laterality.LEFT, Laterality.RIGHT])
def test_crop_of_a_turned_head_is_that_of_an_upright_one(
    side: Laterality, step: tuple[float, float, float]
) -> None:
    crop = upright_crop(turned_head(20.0, step), registration(20.0), HIPPOCAMPUS, side, margin_mm=2.0)
    upright = np.linalg.inv(turn_about_x(20.0)) @ crop.volume.affine
    np.testing.assert_allclose(upright[:3, :3], np.eye(3), atol=1e-9)
    assert crop.volume.grid.shape == (40, 54, 40)
    centre = apply_affine(upright, (np.array(crop.volume.grid.shape) - 1) / 2)
    np.testing.assert_allclose(centre, HIPPOCAMPUS.centre_on(side))
    indices = np.stack(np.meshgrid(*map(np.arange, crop.volume.grid.shape), indexing="ij"), axis=-1)
    expected = smooth(apply_affine(upright, indices.reshape(-1, 3))).reshape(crop.volume.grid.shape)
    np.testing.assert_allclose(crop.volume.array[0].numpy(), expected, atol=5e-3)
    assert not crop.is_cut


def test_volume_of_what_is_outlined_stays_what_it_is() -> None:
    head = turned_head(20.0, (1.0, 1.0, 2.0))
    crop = upright_crop(head, registration(20.0), HIPPOCAMPUS, Laterality.LEFT, margin_mm=2.0).volume
    indices = np.stack(np.meshgrid(*map(np.arange, crop.grid.shape), indexing="ij"), axis=-1)
    ball = np.linalg.norm(indices - (np.array(crop.grid.shape) - 1) / 2, axis=-1) < 12
    pasted = paste_labels(ball.astype(np.uint8), crop.grid, head.grid)
    volume_ml = pasted.sum() * head.grid.voxel_volume_ml
    assert volume_ml == pytest.approx(ball.sum() * crop.grid.voxel_volume_ml, rel=0.02)


def test_box_beyond_the_scan_is_cut_and_one_outside_is_refused() -> None:
    head = turned_head(15.0)
    low = Volume(head.array[:, :, :, 30:], head.affine @ _shift(30), "MR", head.source)
    assert not upright_crop(low, registration(15.0), HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0).is_cut
    lower = Volume(head.array[:, :, :, 60:], head.affine @ _shift(60), "MR", head.source)
    assert upright_crop(lower, registration(15.0), HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0).is_cut
    lowest = Volume(head.array[:, :, :, 110:], head.affine @ _shift(110), "MR", head.source)
    with pytest.raises(RefusedError, match="outside of the field of view"):
        upright_crop(lowest, registration(15.0), HIPPOCAMPUS, Laterality.LEFT, margin_mm=0.0)


def _shift(voxels: int) -> np.ndarray:
    shift = np.eye(4)
    shift[2, 3] = voxels
    return shift
