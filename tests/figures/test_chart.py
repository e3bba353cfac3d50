"""Colours of curves: told apart by all eyes, dark enough to be seen."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from medpipe.figures.chart import INK, LINES, MUTED, PAPER

# Machado, Oliveira & Fernandes 2009, severity 1, for linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    encoded = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encoded(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def contrast(colour: str, paper: str = PAPER) -> float:
    """Return the contrast of WCAG 2.2, 1 to 21."""
    light, dark = (float(linear(item) @ [0.2126, 0.7152, 0.0722]) for item in (paper, colour))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("eye", EYES)
def test_any_two_curves_differ(eye: str) -> None:
    seen = np.array([rgb2lab(encoded(np.array(EYES[eye]) @ linear(line.colour))) for line in LINES])
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    # A difference of 2.3 can just be seen side by side.
    assert distances[np.triu_indices(len(LINES), 1)].min() > 20


def test_curves_and_text_stand_out_from_the_paper() -> None:
    assert min(contrast(colour) for colour in (INK, MUTED, *(line.colour for line in LINES))) > 4.5
    assert contrast(INK) > 15


def test_each_curve_has_a_mark_of_its_own() -> None:
    assert len({line.marker for line in LINES}) == len(LINES)
