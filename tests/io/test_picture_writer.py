"""Pictures are written as they are and read back the same."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.io.picture_header import index_picture
from medpipe.io.picture_writer import write_picture
from medpipe.io.pictures import read_picture


@pytest.mark.parametrize("largest", [255, 256, 4095, 65535])
def test_written_values_are_read_back(tmp_path: Path, largest: int) -> None:
    pixels = np.linspace(0, largest, 7 * 5).round().reshape(7, 5)
    write_picture(tmp_path / "copy.png", pixels)
    read = read_picture(index_picture(tmp_path / "copy.png"))
    assert np.array_equal(read.array[0].numpy(), pixels)


def test_values_that_a_png_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="found -3 to 70000") as error:
        write_picture(tmp_path / "copy.png", np.array([[-3.0, 70000.0]]))
    assert error.value.code is Code.E_BITS
    with pytest.raises(ShapeError, match=r"found shape \(2, 2, 2\)"):
        write_picture(tmp_path / "copy.png", np.zeros((2, 2, 2)))
    assert not list(tmp_path.iterdir())
