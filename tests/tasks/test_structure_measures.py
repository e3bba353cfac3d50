"""Centres and intensities of structures: on sheared grids, by modality, and of what was not found."""

import numpy as np
import pytest
import torch

from medpipe.core.findings import CodedConcept, Laterality, Maker, Structure
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.tasks.structure_measures import mean_intensities, with_centres

# Under gantry tilt each slice moves on by 2 mm as it rises by 3.
TILTED = np.array([[-1.0, 0, 0, 10], [0, 2.0, 2.0, -4], [0, 0, 3.0, 7], [0, 0, 0, 1]])


def structure(label: int, volume_ml: float = 1.0) -> Structure:
    code = CodedConcept(scheme="99MEDPIPE", value=f"part{label}", meaning=f"Part {label}")
    return Structure(
        id=f"toy/left/part{label}",
        code=code,
        laterality=Laterality.LEFT,
        source="image_left",
        made_by=Maker(name="toy", version="1"),
        mask="left",
        label=label,
        volume_ml=volume_ml,
    )


def label_map() -> np.ndarray:
    labels = np.zeros((4, 5, 6), dtype=np.uint8)
    labels[1, 2, 2] = labels[1, 2, 5] = 1
    labels[3, 4, 1] = 2
    return labels


def image(modality: str = "CT") -> Volume:
    array = torch.arange(120.0).reshape(1, 4, 5, 6)
    return Volume(array, TILTED, modality, Source(kind=SourceKind.MEMORY))


def test_centre_lies_between_the_voxels_on_a_sheared_grid() -> None:
    first, second = with_centres([structure(1), structure(2)], label_map(), image().grid)
    # Indices (1, 2, 3.5): 10 - 1, -4 + 2 * 2 + 2 * 3.5, 7 + 3 * 3.5.
    assert first.centre_mm == pytest.approx((9.0, 7.0, 17.5))
    assert second.centre_mm == pytest.approx((7.0, 6.0, 10.0))


def test_what_was_not_found_has_neither_centre_nor_intensity() -> None:
    absent = structure(3, volume_ml=0.0)
    assert with_centres([absent], label_map(), image().grid) == (absent,)
    assert mean_intensities([absent], label_map(), image(), role="image", modality="CT") == ()


@pytest.mark.parametrize(("modality", "unit"), [("CT", "[hnsf'U]"), ("MR", "[arb'U]"), ("PT", "[arb'U]")])
def test_mean_intensity_has_the_unit_of_its_modality(modality: str, unit: str) -> None:
    found = mean_intensities([structure(1)], label_map(), image(), role="image", modality=modality)
    # Voxels (1, 2, 2) and (1, 2, 5) of 5 x 6 a plane: 30 + 12 + 2 and 30 + 12 + 5.
    assert [(item.value, item.unit, item.source) for item in found] == [(45.5, unit, "image")]
    assert found[0].name == "left part 1 mean intensity"
    assert found[0].id == "toy/left/part1/image_mean_intensity"
