"""Pictures: grey radiographs are read, everything else is refused."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medpipe.core.errors import RefusedError
from medpipe.core.planar import Photometric, Planar, SpacingKind
from medpipe.io.picture_header import index_picture
from medpipe.io.pictures import read_picture
from medpipe.io.series import Limits

GREY = np.arange(15, dtype=np.uint8).reshape(3, 5) * 17  # 3 rows, 5 columns


def read(path: Path, **options: Limits) -> Planar:
    return read_picture(index_picture(path), **options)


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def noise(size: int = 200) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (size, size)).astype(np.uint8)


def test_axis_i_runs_along_columns(tmp_path: Path) -> None:
    planar = read(saved(tmp_path / "a.png", GREY))
    assert tuple(planar.array.shape) == (1, 5, 3)
    assert planar.array[0, 4, 2] == 14 * 17
    np.testing.assert_array_equal(planar.array[0].numpy(), GREY.T)


def test_no_spacing_is_invented(tmp_path: Path) -> None:
    planar = read(saved(tmp_path / "a.png", GREY, dpi=(300, 300)))
    assert planar.pixel_spacing_mm is None
    assert planar.spacing_kind is SpacingKind.NONE
    assert planar.photometric is Photometric.MONOCHROME2
    assert [note.code.value for note in planar.source.notes] == ["W_CALIBRATION"]


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    pixels = GREY.astype(np.uint16) * 256 + 3
    assert read(saved(tmp_path / "a.png", pixels)).array.max() == 14 * 17 * 256 + 3


def test_one_bit_is_grey(tmp_path: Path) -> None:
    assert read(saved(tmp_path / "a.png", GREY > 100)).array.unique().tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_equal_channels_are_grey(tmp_path: Path, name: str) -> None:
    planar = read(
        saved(
            tmp_path / name,
            np.repeat(GREY[..., None], 3, axis=2),
            **({"quality": 100} if name == "a.jpg" else {}),
        )
    )
    np.testing.assert_allclose(planar.array[0].numpy(), GREY.T, atol=3)


def test_alpha_is_dropped(tmp_path: Path) -> None:
    image = Image.fromarray(GREY)
    image.putalpha(Image.fromarray(GREY))
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").array[0].numpy(), GREY.T)


def test_palette_of_greys_is_grey(tmp_path: Path) -> None:
    Image.fromarray(GREY).convert("P").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read(tmp_path / "a.png").array[0].numpy(), GREY.T)


def test_colour_is_refused(tmp_path: Path) -> None:
    pixels = np.repeat(GREY[..., None], 3, axis=2)
    pixels[1, 2] = 10, 20, 30
    with pytest.raises(RefusedError, match="1 of 15 pixels are not grey") as caught:
        read(saved(tmp_path / "a.png", pixels))
    assert caught.value.code == "E_DIMS"
    Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    with pytest.raises(RefusedError, match="CMYK"):
        read(tmp_path / "a.jpg")


def test_exif_orientation_is_followed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to view
    planar = read(saved(tmp_path / "a.png", GREY, exif=exif))
    np.testing.assert_array_equal(planar.array[0].numpy(), np.rot90(GREY, -1).T)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.999])
def test_cut_file_is_refused(tmp_path: Path, name: str, part: float) -> None:
    path = saved(tmp_path / name, noise())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(RefusedError) as caught:
        read(path)
    assert caught.value.code == "E_TRUNCATED"


def test_damaged_stream_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", noise())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RefusedError) as caught:
        read(path)
    assert caught.value.code == "E_DECODE"


@pytest.mark.parametrize(("content", "code"), [(b"", "E_EMPTY"), (b"\x89PNG\r\n\x1a\n", "E_HEADER")])
def test_nothing_behind_the_magic_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    series = index_picture(tmp_path / "a.png")
    assert series.refusal is not None
    assert series.refusal.code == code


def test_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.max() - GREY)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(RefusedError, match="several frames: found 2"):
        read(tmp_path / "a.png")


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("side", "code"), [(60_000, "E_BUDGET"), (9_000, "E_RATIO")])
def test_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int, code: str) -> None:
    (tmp_path / "a.png").write_bytes(png_claiming(side, side))
    with pytest.raises(RefusedError) as caught:
        read(tmp_path / "a.png")
    assert caught.value.code == code


def test_budget_of_pixels_holds(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="5 x 3"):
        read(saved(tmp_path / "a.png", GREY), limits=Limits(max_voxels=14))
