"""Posed copies of the template are found again, the same way each time, or the head is refused."""

import numpy as np
import pytest
import torch

from medpipe.core.affine import Array, apply_affine, inverse_of
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.grid import Grid
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.template import load_mni
from medpipe.simulate.resample import resample
from medpipe.transforms.registration import Registration, check_registration, register_head

CENTRES_MM = [(26.0, -20.0, -15.0), (-26.0, -20.0, -15.0)]
"""Of the hippocampus."""


def rotation(axis: int, degrees: float) -> Array:
    first, second = [other for other in range(3) if other != axis]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(3)
    turn[[first, second], [first, second]] = cosine
    turn[first, second], turn[second, first] = -sine, sine
    return turn


def pose(degrees: tuple[float, float, float], scale: float, shift_mm: tuple[float, float, float]) -> Array:
    """Return the affine that turns about x, y and z, scales and shifts."""
    affine = np.eye(4)
    for axis, angle in enumerate(degrees):
        affine[:3, :3] = rotation(axis, angle) @ affine[:3, :3]
    affine[:3, :3] *= scale
    affine[:3, 3] = shift_mm
    return affine


def posed_head(affine: Array) -> Volume:
    """Return the template moved by an affine, sampled on a grid of 2 mm."""
    template = load_mni(spacing_mm=2)
    moved = Volume(template.array, affine @ template.affine, "MR", template.source)
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    grid[:3, 3] = apply_affine(affine, (0.0, -17.0, 7.0)) - [120.0, 130.0, 120.0]
    return resample(moved, Grid((120, 130, 120), grid))


def error_mm(found: Registration, truth: Array) -> float:
    """Return how far a box centre lies from where it belongs, at most."""
    distance = apply_affine(found.head_from_template, CENTRES_MM) - apply_affine(truth, CENTRES_MM)
    return float(np.linalg.norm(distance, axis=1).max())


def registered(metric: float = 1.0, determinant: float = 1.0, turn: float = 0.0, agreement: float = 0.0):
    affine = np.eye(4)
    affine[:3, :3] = rotation(2, turn)
    return Registration(affine, metric, determinant, agreement)


class TestPose:
    def test_turned_scaled_and_shifted_copy_is_found_within_3_mm(self) -> None:
        truth = pose((10.0, -8.0, 12.0), 0.9, (-20.0, 15.0, 15.0))
        found = register_head(posed_head(truth), load_mni(spacing_mm=2))
        check_registration(found)
        assert error_mm(found, truth) < 3.0
        assert found.determinant == pytest.approx(0.9**3, rel=0.05)

    @pytest.mark.slow
    @pytest.mark.parametrize("axis", range(3))
    @pytest.mark.parametrize(("degrees", "limit_mm"), [(15.0, 3.0), (-35.0, 6.0)])
    def test_turns_about_each_axis_are_found(self, axis: int, degrees: float, limit_mm: float) -> None:
        turns = np.zeros(3)
        turns[axis] = degrees
        truth = pose((turns[0], turns[1], turns[2]), 1.1, (30.0, 0.0, -30.0))
        found = register_head(posed_head(truth), load_mni(spacing_mm=2))
        check_registration(found)
        assert error_mm(found, truth) < limit_mm

    @pytest.mark.slow
    def test_storage_order_does_not_change_a_digit(self) -> None:
        head = posed_head(pose((5.0, 0.0, -5.0), 1.0, (3.3, 0.0, 0.0)))
        first, again = (
            register_head(head.reoriented(codes), load_mni(spacing_mm=2)) for codes in ("RAS", "ILA")
        )
        np.testing.assert_array_equal(first.head_from_template, again.head_from_template)
        assert first.metric == again.metric


class TestRefusal:
    @pytest.mark.parametrize(
        ("result", "found"),
        [
            (registered(metric=0.1), r"mutual information 0\.100, at least 0\.2"),
            (registered(determinant=0.5), r"determinant 0\.50, limits 0\.6 to 1\.6"),
            (registered(determinant=1.7), r"determinant 1\.70, limits 0\.6 to 1\.6"),
            (registered(turn=90.0), "90 degrees, limit 60"),
            (registered(agreement=5.0), r"5\.0 mm apart, limit 4 mm"),
        ],
    )
    def test_each_check_states_what_it_found_and_its_limit(self, result: Registration, found: str) -> None:
        with pytest.raises(RefusedError, match=found) as caught:
            check_registration(result)
        assert caught.value.code is Code.E_REGISTRATION

    def test_good_result_passes(self) -> None:
        check_registration(registered(metric=0.4, determinant=0.7, turn=35.0, agreement=1.0))

    def test_image_of_one_value_has_nothing_to_register(self) -> None:
        flat = Volume(torch.full((1, 60, 60, 60), 7.0), np.diag([3.0, 3, 3, 1]), "MR", MEMORY)
        with pytest.raises(RefusedError, match="without contrast cannot be registered: found 7 everywhere"):
            register_head(flat, load_mni(spacing_mm=2))

    @pytest.mark.slow
    def test_ball_is_no_head(self) -> None:
        places = np.stack(np.meshgrid(*[np.arange(60.0)] * 3, indexing="ij"), axis=-1)
        inside = np.linalg.norm((places - 30.0) / (25.0, 29.0, 25.0), axis=-1) < 1.0
        values = inside * 100.0 + np.random.default_rng(0).normal(0.0, 5.0, inside.shape)
        array = torch.from_numpy(values.astype(np.float32))[None]
        found = register_head(Volume(array, np.diag([3.0, 3, 3, 1]), "MR", MEMORY), load_mni(spacing_mm=2))
        with pytest.raises(RefusedError, match="does not look like the T1 template"):
            check_registration(found)


MEMORY = Source(kind=SourceKind.MEMORY)


def test_rigid_part_keeps_lengths_and_moves_its_point_as_the_affine_does() -> None:
    affine = pose((20.0, 10.0, -5.0), 0.8, (1.0, 2.0, 3.0))
    affine[:3, :3] = affine[:3, :3] @ np.diag([1.2, 1.0, 0.9])
    rigid = Registration(affine, 1.0, 1.0, 0.0).rigid_about(CENTRES_MM[0])
    np.testing.assert_allclose(rigid[:3, :3] @ rigid[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rigid[:3, :3]) == pytest.approx(1.0)
    np.testing.assert_allclose(apply_affine(rigid, CENTRES_MM[0]), apply_affine(affine, CENTRES_MM[0]))
    back = inverse_of(rigid) @ affine
    np.testing.assert_allclose(apply_affine(back, CENTRES_MM[0]), CENTRES_MM[0], atol=1e-12)
