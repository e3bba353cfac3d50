"""Radiographs: lengths only where calibrated, view and side as stated."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from medpipe.core.errors import ShapeError
from medpipe.core.findings import Laterality
from medpipe.figures.planar import draw_radiograph


def test_scale_only_where_calibrated() -> None:
    film = np.zeros((60, 40))
    detector = draw_radiograph(film, pixel_spacing_mm=(0.2, 0.2), is_calibrated=False)
    calibrated = draw_radiograph(film, pixel_spacing_mm=(0.2, 0.2), is_calibrated=True)
    assert "no lengths in mm" in detector.caption
    assert "scale bar follows the calibrated" in calibrated.caption


def test_view_and_side_are_stated() -> None:
    figure = draw_radiograph(
        np.zeros((9, 9)),
        pixel_spacing_mm=None,
        is_calibrated=False,
        view="PA",
        laterality=Laterality.LEFT,
    )
    assert "view PA - side left" in figure.alt


def test_first_axis_runs_along_the_width() -> None:
    film = np.zeros((600, 400))
    film[500:, :40] = 100.0  # far along I, first rows: upper right
    figure = draw_radiograph(film, pixel_spacing_mm=None, is_calibrated=False)
    picture = np.asarray(Image.open(BytesIO(figure.webp)).convert("L"))
    assert picture.shape == (600 + 34, 900)
    assert picture[10, 890] > 200
    assert picture[10, 300] < 60
    assert picture[590, 890] < 60


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"found shape \(1, 2, 3\)"):
        draw_radiograph(np.zeros((1, 2, 3)), pixel_spacing_mm=None, is_calibrated=False)
