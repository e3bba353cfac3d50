"""A simulated picture in the manner of a frontal chest radiograph, drawn from ellipses."""

from typing import Final

import numpy as np
import numpy.typing as npt

HEIGHT: Final = 512
WIDTH: Final = 448

_NOISE: Final = 3.0
_RIBS: Final = 9


def chest_radiograph(*, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return a simulated chest radiograph: body, two lungs, heart to the picture's right, spine and ribs.

    Bone is bright. It shows no disease and no texture of lung: it tries a pipeline, not a model.

    Args:
        seed: Of the noise.

    Returns:
        ``(HEIGHT, WIDTH)`` brightness, rows from the top.
    """
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    body = _soft(np.abs(x / 0.93) ** 4 + np.abs((y - 0.35) / 1.25) ** 4)
    lungs = np.maximum(
        *(_soft(((x - side) / 0.32) ** 2 + ((y + 0.05) / 0.62) ** 2) for side in (-0.45, 0.45))
    )
    heart = _soft(((x - 0.17) / 0.36) ** 2 + ((y - 0.3) / 0.3) ** 2)
    spine = np.exp(-((x / 0.08) ** 2)) * body
    ribs = np.cos(np.pi * _RIBS * (y - 0.35 * x**2)) ** 8 * body * (y < 0.6)
    brightness = 12 + 130 * body - 85 * lungs * (1 - heart) + 30 * heart + 40 * spine + 18 * ribs
    noise = np.random.default_rng(seed).normal(0.0, _NOISE, size=brightness.shape)
    rounded: npt.NDArray[np.uint8] = np.clip(np.rint(brightness + noise), 0, 255).astype(np.uint8)
    return rounded


def _soft(squared_distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return 1 where the distance is below 1 and 0 beyond, with a soft edge."""
    return np.asarray(1 / (1 + np.exp((squared_distance - 1) * 15)), dtype=np.float64)
