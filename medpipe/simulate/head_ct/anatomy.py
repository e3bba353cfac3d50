"""A head without bleeds: the template, deformed into a person and by a mass: tissues and HU."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.nn.functional import grid_sample

from medpipe.core.affine import Array, inverse_of
from medpipe.simulate.head_ct.dura import with_dura, with_specks
from medpipe.simulate.head_ct.head_grid import Field, node_points_mm, smooth_noise, to_head_grid
from medpipe.simulate.head_ct.mass_effect import Mass, Midline, crowding, displacement_mm, midline_after
from medpipe.simulate.head_ct.person import Person, head_point_mm, smooth_shape_mm, template_points_mm
from medpipe.simulate.head_ct.template import CHANNELS, head_template

EDGE_MM: Final = 1.5
BONE_EDGE_MM: Final = 2.6
"""Width of an edge of soft tissue, about one voxel; that of bone is wider, lest slices show its steps."""
TISSUE_EDGE: Final = 0.35
"""Width of the brain's surface, in probability of tissue: the template's is blurred over 152 persons."""
MATTER_EDGE: Final = 0.6

SUBARACHNOID_MM: Final = (0.8, 4.0)
"""Fluid between brain and skull, from young to atrophied."""
SKULL_WAVE_MM, SKULL_SIGMA_MM = 1.0, 25.0
TEMPLE_THINNER_MM: Final = 2.5
TABLE_HU, DIPLOE_HU = 1300.0, 650.0
TABLE_SHARE: Final = 0.28
"""Outer and inner table of the skull: density, and share of its thickness."""
SKIN_MM: Final = 1.8
FAT_HU, MUSCLE_HU, AIR_HU = -80.0, 45.0, -1000.0
"""Skin has the density of muscle."""

CROWDED_SULCI: Final = 0.3
CROWDED_VENTRICLE_MM: Final = 2.5
"""How far a mass closes sulci (probability of tissue) and ventricles beside it."""
LINING_MM: Final = 1.5
"""Around the template's lateral ventricles lies brain, should a person's be narrower."""
SEPTUM_MM: Final = 1.5
"""Thickness of the septum pellucidum, membranes and all; no more than a line in an image."""
PALE_HU: Final = 7.0
"""Loss of density of the white matter around the ventricles of the most atrophied brain."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Fields on the head's fine grid, ``(I, J, K)`` float32.

    Attributes:
        hu: Hounsfield units.
        tissue: Share of brain tissue.
        white: Share of it that is white matter.
        ventricle: Share of ventricle.
        subarachnoid: Share of fluid between brain and skull.
        beyond: Mm beyond the hull of the brain.
        template_mm: ``(3, I, J, K)`` where each voxel lies in the template.
        midline: After the shift.
    """

    hu: Field
    tissue: Field
    white: Field
    ventricle: Field
    subarachnoid: Field
    beyond: Field
    template_mm: Field
    midline: Midline


def build_anatomy(person: Person, mass: Mass | None) -> Anatomy:
    """Return a person's head, displaced by a mass if there is one; the mass itself is not drawn."""
    rng = np.random.default_rng(person.seed)
    shape = smooth_shape_mm(rng)
    points = node_points_mm()
    at_rest = template_points_mm(person, points, shape)
    skull_wave = SKULL_WAVE_MM * smooth_noise(rng, SKULL_SIGMA_MM) - TEMPLE_THINNER_MM * _temples(at_rest)
    beyond_nodes = _sampled(at_rest)["beyond"]
    displaced = np.zeros((3, *points.shape[:3])) if mass is None else displacement_mm(mass, beyond_nodes)
    crowded = np.zeros(points.shape[:3]) if mass is None else crowding(mass)
    template = template_points_mm(person, points - np.moveaxis(displaced, 0, -1), shape)
    fine = to_head_grid(np.concatenate([np.moveaxis(template, -1, 0), crowded[None], skull_wave[None]]))
    fields = _sampled_fine(fine[:3])
    crowd, wave = fine[3].numpy(), fine[4].numpy()
    tissue, white, ventricle = _brain(person, fields, fine[0].numpy(), crowd)
    hull_mm = SUBARACHNOID_MM[0] + (SUBARACHNOID_MM[1] - SUBARACHNOID_MM[0]) * person.atrophy
    beyond = fields["beyond"] - np.float32(hull_mm)
    template_fine = fine[:3].numpy()
    hu = _brain_hu(person, fields, tissue, white)
    hu = with_dura(hu, template_fine, beyond, person.blood_hu)
    hu = with_specks(hu, template_fine, person.specks, _speck_points(person))
    return Anatomy(
        hu=_enclosed(person, hu, fields, beyond, wave),
        tissue=tissue,
        white=white,
        ventricle=ventricle,
        subarachnoid=(1.0 - tissue) * (1.0 - ventricle) * _step(-beyond / EDGE_MM),
        beyond=beyond,
        template_mm=template_fine,
        midline=midline_after(displaced, beyond_nodes),
    )


def _speck_points(person: Person) -> Array:
    """Return about where the calcifications lie, ``(N, 3)``; a shifted midline stays within their boxes."""
    return head_point_mm(person, np.reshape([speck.template_mm for speck in person.specks], (-1, 3)))


def _temples(template_mm: Array) -> Array:
    """Return 1 at the temples, where the skull is thin, falling off to 0."""
    x, y, z = np.moveaxis(template_mm, -1, 0)
    falling: Array = np.exp(
        -0.5 * (((np.abs(x) - 75.0) / 20.0) ** 2 + (y / 35.0) ** 2 + ((z + 10.0) / 25.0) ** 2)
    )
    return falling


def _sampled(template_mm: Array) -> dict[str, Array]:
    """Return the template's fields at points ``(I, J, K, 3)``."""
    moved = np.ascontiguousarray(np.moveaxis(template_mm, -1, 0), dtype=np.float32)
    return {name: field.astype(float) for name, field in _sampled_fine(torch.from_numpy(moved)).items()}


def _sampled_fine(template_mm: torch.Tensor) -> dict[str, Field]:
    """Return the template's fields at points ``(3, I, J, K)``."""
    template = head_template()
    to_index = inverse_of(template.affine)
    sizes = template.fields.shape[2:]
    # grid_sample wants places from -1 to 1, the last axis of the array first.
    places = [
        (template_mm[axis] * to_index[axis, axis] + to_index[axis, 3]) * (2.0 / (sizes[axis] - 1)) - 1.0
        for axis in (2, 1, 0)
    ]
    grid = torch.stack(places, dim=-1)[None].float()
    sampled = grid_sample(template.fields, grid, align_corners=True, padding_mode="border")[0]
    return dict(zip(CHANNELS, sampled.numpy(), strict=True))


def _step(share: Field) -> Field:
    """Return 0 below -1/2, 1 above 1/2, and a ramp between."""
    stepped: Field = np.clip(share + np.float32(0.5), 0.0, 1.0)
    return stepped


def _brain(person: Person, fields: dict[str, Field], x: Field, crowd: Field) -> tuple[Field, Field, Field]:
    """Return the shares of tissue, of white matter in it, and of ventricle."""
    surface = person.sulci - CROWDED_SULCI * crowd
    matter = fields["grey"] + fields["white"]
    tissue = _step((matter - surface) / TISSUE_EDGE)
    white = _step((fields["white"] / matter.clip(1e-3) - 0.5) / MATTER_EDGE)
    wider = 1.0 - person.ventricle_asymmetry * np.tanh(x / 4.0)
    walls = person.ventricle_mm * wider - CROWDED_VENTRICLE_MM * crowd
    ventricle = np.maximum(
        _step((walls - fields["lateral"]) / EDGE_MM), _step((0.5 * walls - fields["narrow"]) / EDGE_MM)
    )
    lining = _step((LINING_MM - fields["lateral"]) / EDGE_MM)
    septum = (1.0 - np.abs(x) / SEPTUM_MM).clip(0.0, 1.0) * (fields["lateral"] < walls)
    ventricle *= 1.0 - septum
    tissue = np.maximum(tissue, lining) * (1.0 - ventricle)
    return np.maximum(tissue, septum), white, ventricle


def _brain_hu(person: Person, fields: dict[str, Field], tissue: Field, white: Field) -> Field:
    matter = person.grey_hu + (person.white_hu - person.grey_hu) * white
    near_ventricles = np.exp(-np.abs(fields["lateral"] - person.ventricle_mm) / 6.0)
    matter -= PALE_HU * person.atrophy**2 * near_ventricles * white
    hu = person.fluid_hu + tissue * (matter - person.fluid_hu)
    cupped: Field = hu + person.cupping_hu * np.exp(np.minimum(fields["beyond"], 0.0) / 7.0)
    return cupped


def _enclosed(person: Person, hu: Field, fields: dict[str, Field], beyond: Field, wave: Field) -> Field:
    """Return the brain's HU with skull, scalp, face and air around it."""
    thickness = (np.float32(person.skull_mm) + wave).clip(2.0)
    depth = beyond / thickness
    table = 1.0 - _step((np.minimum(depth, 1.0 - depth) - TABLE_SHARE) * (thickness / BONE_EDGE_MM))
    skull = DIPLOE_HU + (TABLE_HU - DIPLOE_HU) * table
    scalp_depth = thickness + np.float32(person.scalp_mm) - beyond
    is_fat = (scalp_depth > SKIN_MM) & (scalp_depth < 0.75 * person.scalp_mm)
    around = np.where(fields["face"] > 0, fields["face_hu"], np.where(is_fat, FAT_HU, MUSCLE_HU))
    for share, inner in (
        (_step((thickness - beyond) / BONE_EDGE_MM), skull),
        (_step(-beyond / BONE_EDGE_MM), hu),
    ):
        around = around + share * (inner - around)
    inside = _step(np.maximum(scalp_depth, fields["face"]) / BONE_EDGE_MM)
    enclosed: Field = (AIR_HU + inside * (around - AIR_HU)).astype(np.float32)
    return enclosed
