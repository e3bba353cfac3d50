"""NIfTI: what is read is what other readers read, what cannot be trusted is refused."""

import gzip
import itertools
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # its customary name
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medpipe.core.affine import LPS_FROM_RAS
from medpipe.core.errors import RefusedError, ShapeError
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.io.nifti import read_label_map, read_nifti, write_label_map, write_volume
from medpipe.io.nifti_forms import forms_distance
from medpipe.io.nifti_header import index_nifti, parse_header
from medpipe.io.series import Limits, Trait

SHAPE = (3, 4, 5)
AFFINE = np.array([[-2.0, 0, 0, 10], [0, 3.0, 0, -20], [0, 0, 4.0, 30], [0, 0, 0, 1]])
SHEARED = AFFINE @ np.array([[1, 0, 0, 0], [0, 1, 0.25, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def ramp(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> np.ndarray:
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def saved(
    path: Path,
    values: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    edit: Callable[[nib.Nifti1Header], None] | None = None,
) -> Path:
    """Write an image with nibabel, its header edited in place afterwards."""
    image = nib.Nifti1Image(ramp() if values is None else values, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    if edit:
        edit(header)
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def setter(**fields: object) -> Callable[[nib.Nifti1Header], None]:
    def edit(header: nib.Nifti1Header) -> None:
        for name, value in fields.items():
            header[name] = value

    return edit


def read(path: Path, **options: object) -> Volume:
    return read_nifti(index_nifti(path), **options)  # type: ignore[arg-type]


def volume_of(values: np.ndarray, affine: np.ndarray) -> Volume:
    return Volume(torch.from_numpy(values)[None], affine, "CT", Source(kind=SourceKind.MEMORY))


def note_codes(volume: Volume) -> list[str]:
    return [note.code.value for note in volume.source.notes]


class TestReadAsOthersDo:
    @pytest.mark.parametrize(
        "dtype", ["uint8", "int8", "int16", "uint16", "int32", ">i2", "float32", ">f4", "float64"]
    )
    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    def test_values_of_every_type(self, tmp_path: Path, dtype: str, name: str) -> None:
        path = saved(tmp_path / name, ramp(dtype=dtype))
        volume = read(path)
        assert volume.array.dtype == torch.float32
        np.testing.assert_array_equal(volume.array[0].numpy(), ramp(dtype="float32"))
        np.testing.assert_array_equal(volume.affine, AFFINE)

    def test_slope_and_intercept_are_applied(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(scl_slope=2, scl_inter=-1024))
        np.testing.assert_array_equal(read(path).array[0].numpy(), ramp(dtype="float32") * 2 - 1024)

    def test_slope_of_zero_means_unscaled(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(scl_slope=0, scl_inter=7))
        np.testing.assert_array_equal(read(path).array[0].numpy(), ramp(dtype="float32"))

    def test_nifti_2(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti2Image(ramp(), AFFINE), tmp_path / "a.nii.gz")
        volume = read(tmp_path / "a.nii.gz")
        np.testing.assert_array_equal(volume.array[0].numpy(), ramp(dtype="float32"))
        np.testing.assert_array_equal(volume.affine, AFFINE)

    def test_big_endian_header(self, tmp_path: Path) -> None:
        header = nib.Nifti1Header(endianness=">")
        header.set_data_dtype(">i2")
        header.set_sform(AFFINE, 1)
        (tmp_path / "a.nii").write_bytes(nib.Nifti1Image(ramp(dtype=">i2"), AFFINE, header).to_bytes())
        np.testing.assert_array_equal(read(tmp_path / "a.nii").array[0].numpy(), ramp(dtype="float32"))

    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_pair_of_header_and_image(self, tmp_path: Path, suffix: str) -> None:
        nib.save(nib.Nifti1Pair(ramp(), AFFINE), tmp_path / f"a.hdr{suffix}")
        series = index_nifti(tmp_path / f"a.hdr{suffix}")
        assert [Path(file).name for file in series.files] == [f"a.hdr{suffix}", f"a.img{suffix}"]
        np.testing.assert_array_equal(read_nifti(series).array[0].numpy(), ramp(dtype="float32"))

    def test_header_without_its_image_is_refused(self, tmp_path: Path) -> None:
        nib.save(nib.Nifti1Pair(ramp(), AFFINE), tmp_path / "a.hdr")
        (tmp_path / "a.img").unlink()
        with pytest.raises(RefusedError, match=r"no \.img file"):
            read(tmp_path / "a.hdr")

    def test_extension_before_the_voxels_is_skipped(self, tmp_path: Path) -> None:
        image = nib.Nifti1Image(ramp(), AFFINE)
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 100))
        nib.save(image, tmp_path / "a.nii.gz")
        np.testing.assert_array_equal(read(tmp_path / "a.nii.gz").array[0].numpy(), ramp(dtype="float32"))

    @pytest.mark.parametrize(("code", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001)])
    def test_spatial_unit_scales_the_affine(self, tmp_path: Path, code: int, factor: float) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(xyzt_units=code | 8))  # 8: seconds
        np.testing.assert_allclose(read(path).affine[:3], AFFINE[:3] * factor)

    def test_two_axes_are_one_slice(self, tmp_path: Path) -> None:
        assert read(saved(tmp_path / "a.nii", ramp((3, 4)))).grid.shape == (3, 4, 1)

    def test_real_images_equal_nibabel(self, shared_data: Path) -> None:
        for path in sorted((shared_data / "body_ct_mr").glob("*_sm.nii.gz")):
            image, volume = nib.load(path), read(path)
            np.testing.assert_allclose(volume.array[0].numpy(), image.get_fdata(dtype=np.float32), rtol=1e-6)
            np.testing.assert_allclose(volume.affine, image.affine, atol=1e-6)


class TestForms:
    def test_forms_that_differ_are_refused(self, tmp_path: Path) -> None:
        # Mirrored, the outer edge at x = 10 + 2 / 2 = 11 mm goes to -11 mm.
        path = saved(
            tmp_path / "a.nii", edit=lambda header: header.set_sform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, 1)
        )
        with pytest.raises(RefusedError, match=r"found 22 mm apart") as caught:
            read(path)
        assert caught.value.code == "E_FORMS"

    @pytest.mark.parametrize(("form", "offset"), [("qform", 10.0), ("sform", 15.0)])
    def test_preferred_form_is_followed_and_flagged(self, tmp_path: Path, form: str, offset: float) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(srow_x=[-2, 0, 0, 15]))
        volume = read(path, prefer_form=form)
        assert volume.affine[0, 3] == offset
        assert note_codes(volume) == ["W_FORMS"]

    def test_forms_a_thousandth_apart_agree(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(srow_x=[-2, 0, 0, 10.0005]))
        check = next(check for check in read(path).source.checks if check.name == "qform and sform agree")
        assert check.passed
        assert check.found == "0.0005 mm"

    @given(
        st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3), st.sampled_from([(1, 1), (-1, -1), (-1, 1)])
    )
    def test_rounding_of_quaternions_is_no_difference(
        self, turn: list[float], signs: tuple[int, int]
    ) -> None:
        # Near half turns, float32 quaternions alone move corners of a large image by hundredths of a mm.
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ np.diag(
            [signs[0] * 0.5, signs[1] * 0.5, 1.0]
        )
        affine[:3, 3] = 150, 130, -400
        header = nib.Nifti1Header()
        header.set_data_shape((512, 512, 600))
        header.set_qform(affine, 1)
        header.set_sform(affine, 1)
        header["vox_offset"] = 352
        distance_mm, limit_mm = forms_distance(parse_header(header.binaryblock))
        assert distance_mm <= limit_mm < 1.5

    def test_only_the_stated_form_counts(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(sform_code=0, srow_x=[9, 9, 9, 9]))
        np.testing.assert_allclose(read(path).affine, AFFINE)
        path = saved(tmp_path / "a.nii", edit=setter(qform_code=0, quatern_b=0.5))
        np.testing.assert_allclose(read(path).affine, AFFINE)

    def test_no_form_is_flagged_or_refused(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(sform_code=0, qform_code=0))
        volume = read(path)
        assert note_codes(volume) == ["W_NO_FORM"]
        np.testing.assert_array_equal(volume.affine, nib.load(path).affine)
        with pytest.raises(RefusedError, match="codes of 0") as caught:
            read(path, allow_missing_form=False)
        assert caught.value.code == "E_NO_FORM"

    @pytest.mark.parametrize(
        "fields",
        [
            {"srow_x": 0, "srow_y": 0, "srow_z": 0},
            {"srow_x": [1, 1, 0, 0], "srow_y": [1, 1, 0, 0]},
            {"srow_x": [np.nan, 0, 0, 0]},
            {"qform_code": 1, "pixdim": [1, 0, 1, 1, 0, 0, 0, 0]},
        ],
    )
    def test_singular_affine_is_refused(self, tmp_path: Path, fields: dict[str, object]) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(**{"qform_code": 0, **fields}))
        with pytest.raises(RefusedError, match="affine") as caught:
            read(path)
        assert caught.value.code == "E_AFFINE"


class TestRefusals:
    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.nii.gz").touch()
        series = index_nifti(tmp_path / "a.nii.gz")
        assert series.refusal is not None
        assert series.refusal.code == "E_EMPTY"

    def test_huge_dimensions_are_refused_before_allocation(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii.gz", edit=setter(dim=[3, 4000, 4000, 1000, 1, 1, 1, 1]))
        with pytest.raises(RefusedError, match="4000 x 4000 x 1000") as caught:
            read(path)
        assert caught.value.code == "E_BUDGET"

    def test_header_that_claims_a_bomb_is_refused_before_allocation(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii.gz", edit=setter(dim=[3, 1000, 1000, 900, 1, 1, 1, 1]))
        with pytest.raises(RefusedError, match="at least 1800000352 bytes") as caught:
            read(path)
        assert caught.value.code == "E_RATIO"

    def test_bomb_behind_a_modest_header_is_refused(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.nii")
        (tmp_path / "a.nii.gz").write_bytes(gzip.compress(path.read_bytes() + bytes(20_000_000)))
        with pytest.raises(RefusedError) as caught:
            read(tmp_path / "a.nii.gz", limits=Limits(free_bytes=10_000_000))
        assert caught.value.code == "E_RATIO"

    @pytest.mark.parametrize("dim", [[3, 3, -4, 5], [3, 3, 0, 5], [0, 3, 4, 5], [-1, 3, 4, 5], [8, 3, 4, 5]])
    def test_impossible_dimensions(self, tmp_path: Path, dim: list[int]) -> None:
        path = saved(tmp_path / "a.nii", edit=setter(dim=[*dim, 1, 1, 1, 1]))
        with pytest.raises(RefusedError, match=str(dim[0])) as caught:
            read(path)
        assert caught.value.code == "E_DIMS"

    def test_flipped_bit_is_seen_where_nibabel_sees_none(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        path = saved(tmp_path / "a.nii.gz", rng.integers(0, 999, (20, 21, 22)).astype("int16"))
        damaged = bytearray(path.read_bytes())
        damaged[-6] ^= 0x10
        path.write_bytes(damaged)
        nib.load(path).get_fdata()
        with pytest.raises(RefusedError) as caught:
            read(path)
        assert caught.value.code == "E_CHECKSUM"

    @pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
    @pytest.mark.parametrize("part", [0.999, 0.7])
    def test_cut_file(self, tmp_path: Path, name: str, part: float) -> None:
        rng = np.random.default_rng(0)
        path = saved(tmp_path / name, rng.integers(0, 999, (20, 21, 22)).astype("int16"))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
        with pytest.raises(RefusedError) as caught:
            read(path)
        assert caught.value.code == "E_TRUNCATED"

    def test_sound_stream_that_is_too_short(self, tmp_path: Path) -> None:
        content = saved(tmp_path / "a.nii").read_bytes()
        (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:-10]))
        with pytest.raises(RefusedError, match=r"expected 120 bytes: found 110") as caught:
            read(tmp_path / "a.nii.gz")
        assert caught.value.code == "E_TRUNCATED"

    @pytest.mark.parametrize("size", [1, 100, 347])
    def test_cut_header(self, tmp_path: Path, size: int) -> None:
        path = saved(tmp_path / "a.nii")
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(RefusedError, match=f"{size} bytes") as caught:
            read(path)
        assert caught.value.code == "E_HEADER"

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"magic": b"abc"}, "E_HEADER"),
            ({"datatype": 77}, "E_HEADER"),
            ({"datatype": 0}, "E_HEADER"),
            ({"vox_offset": 10}, "E_HEADER"),
            ({"vox_offset": np.nan}, "E_HEADER"),
            ({"scl_slope": np.nan}, "E_RESCALE"),
            ({"scl_slope": 2, "scl_inter": np.inf}, "E_RESCALE"),
        ],
    )
    def test_header_that_contradicts_itself(
        self, tmp_path: Path, fields: dict[str, object], code: str
    ) -> None:
        with pytest.raises(RefusedError) as caught:
            read(saved(tmp_path / "a.nii", edit=setter(**fields)))
        assert caught.value.code == code

    def test_time_series_and_vectors(self, tmp_path: Path) -> None:
        for shape in ((3, 4, 5, 6), (3, 4, 5, 1, 3)):
            series = index_nifti(saved(tmp_path / "a.nii", ramp(shape)))
            assert series.traits == {Trait.TIME_SERIES}
            with pytest.raises(RefusedError, match=r"3 x 4 x 5") as caught:
                read_nifti(series)
            assert caught.value.code == "E_DIMS"

    def test_last_axes_of_one_are_dropped_and_flagged(self, tmp_path: Path) -> None:
        volume = read(saved(tmp_path / "a.nii", ramp((3, 4, 5, 1, 1))))
        assert volume.grid.shape == (3, 4, 5)
        assert note_codes(volume) == ["W_DIMS"]

    def test_colour_and_complex_values(self, tmp_path: Path) -> None:
        colour = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        for values in (colour, np.zeros(SHAPE, dtype="complex64")):
            with pytest.raises(RefusedError, match="several values") as caught:
                read(saved(tmp_path / "a.nii", values))
            assert caught.value.code == "E_DIMS"


class TestNotFinite:
    def values(self, num_bad: int) -> np.ndarray:
        values = np.arange(1000, dtype="float32").reshape(10, 10, 10) - 5
        values.flat[10 : 10 + num_bad] = np.resize([np.nan, np.inf, -np.inf], num_bad)
        return values

    def test_few_are_replaced_by_the_minimum_and_flagged(self, tmp_path: Path) -> None:
        volume = read(saved(tmp_path / "a.nii.gz", self.values(3)))
        assert volume.array[0].reshape(-1)[9:14].tolist() == [4, -5, -5, -5, 8]
        assert note_codes(volume) == ["W_NAN"]
        assert volume.source.notes[0].found == "3 of 1000 voxels"

    def test_many_are_refused(self, tmp_path: Path) -> None:
        assert note_codes(read(saved(tmp_path / "a.nii.gz", self.values(10)))) == ["W_NAN"]
        with pytest.raises(RefusedError, match="11 of 1000 voxels") as caught:
            read(saved(tmp_path / "a.nii.gz", self.values(11)))
        assert caught.value.code == "E_NAN"

    def test_none_is_allowed_on_request(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedError, match="1 of 1000 voxels"):
            read(saved(tmp_path / "a.nii.gz", self.values(1)), max_nan_fraction=0.0)

    def test_values_beyond_float32_are_not_finite(self, tmp_path: Path) -> None:
        values = self.values(0).astype("float64")
        values[0, 0, 0] = 1e300
        assert note_codes(read(saved(tmp_path / "a.nii.gz", values))) == ["W_NAN"]


class TestWrite:
    @pytest.mark.parametrize("orientation", list(itertools.product((-1, 1), repeat=3)))
    def test_simpleitk_and_nibabel_read_the_same_place(
        self, tmp_path: Path, orientation: tuple[int, ...]
    ) -> None:
        affine = AFFINE @ np.diag([*orientation, 1.0])
        write_volume(tmp_path / "a.nii.gz", volume_of(ramp(dtype="float32"), affine))
        by_nibabel = nib.load(tmp_path / "a.nii.gz")
        np.testing.assert_array_equal(by_nibabel.get_fdata(), ramp())
        np.testing.assert_allclose(by_nibabel.affine, affine)
        by_itk = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(by_itk), ramp().T)
        ras = LPS_FROM_RAS @ [*by_itk.TransformIndexToPhysicalPoint((2, 3, 4)), 1]
        np.testing.assert_allclose(ras, affine @ [2, 3, 4, 1], atol=1e-4)

    def test_header_states_both_forms_and_millimetres(self, tmp_path: Path) -> None:
        write_volume(tmp_path / "a.nii", volume_of(ramp(dtype="float32"), AFFINE))
        header = nib.load(tmp_path / "a.nii").header
        assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)
        assert header.get_xyzt_units()[0] == "mm"
        np.testing.assert_allclose(header.get_qform(), AFFINE, atol=1e-5)

    def test_shear_is_kept_in_the_sform_alone(self, tmp_path: Path) -> None:
        write_volume(tmp_path / "a.nii.gz", volume_of(ramp(dtype="float32"), SHEARED))
        header = nib.load(tmp_path / "a.nii.gz").header
        assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 1)
        np.testing.assert_allclose(header.get_zooms(), [2, 3, np.sqrt(4**2 + 0.75**2)])
        np.testing.assert_allclose(read(tmp_path / "a.nii.gz").affine, SHEARED)

    def test_layout_in_memory_does_not_change_the_bytes(self, tmp_path: Path) -> None:
        values = ramp((60, 70, 80), "float32")
        write_volume(tmp_path / "c.nii.gz", volume_of(values, AFFINE))
        write_volume(tmp_path / "f.nii.gz", volume_of(np.asfortranarray(values), AFFINE), threads=1)
        assert (tmp_path / "c.nii.gz").read_bytes() == (tmp_path / "f.nii.gz").read_bytes()

    def test_slices_larger_than_a_chunk(self, tmp_path: Path) -> None:
        values = np.random.default_rng(0).integers(0, 3, (2100, 2000, 3)).astype(np.uint8)
        write_label_map(tmp_path / "a.nii.gz", values, AFFINE)
        np.testing.assert_array_equal(read_label_map(tmp_path / "a.nii.gz"), values)
        np.testing.assert_array_equal(nib.load(tmp_path / "a.nii.gz").dataobj, values)
        by_itk = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
        np.testing.assert_array_equal(sitk.GetArrayFromImage(by_itk), values.T)

    @pytest.mark.parametrize(
        ("largest", "dtype"), [(1, "uint8"), (255, "uint8"), (256, "uint16"), (65535, "uint16")]
    )
    def test_label_map_takes_the_smallest_type(self, tmp_path: Path, largest: int, dtype: str) -> None:
        labels = np.zeros(SHAPE, dtype=np.int64)
        labels[1, 2, 3] = largest
        write_label_map(tmp_path / "a.nii.gz", labels, AFFINE)
        assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == dtype
        read_back = read_label_map(tmp_path / "a.nii.gz")
        assert read_back.dtype == dtype
        np.testing.assert_array_equal(read_back, labels)

    def test_masks_are_label_maps(self, tmp_path: Path) -> None:
        write_label_map(tmp_path / "a.nii", ramp() > 7, AFFINE)
        np.testing.assert_array_equal(read_label_map(tmp_path / "a.nii"), ramp() > 7)

    @pytest.mark.parametrize(
        ("labels", "found"),
        [
            (np.full(SHAPE, -1), "-1 to -1"),
            (np.full(SHAPE, 65536), "65536 to 65536"),
            (np.zeros(SHAPE), "float64"),
            (np.zeros((3, 4), dtype=int), r"shape \(3, 4\)"),
        ],
    )
    def test_what_is_no_label_map_is_refused(self, tmp_path: Path, labels: np.ndarray, found: str) -> None:
        with pytest.raises(ShapeError, match=found):
            write_label_map(tmp_path / "a.nii.gz", labels, AFFINE)

    def test_other_names_and_shapes_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ShapeError, match=r"\.mha"):
            write_volume(tmp_path / "a.mha", volume_of(ramp(dtype="float32"), AFFINE))
        with pytest.raises(ShapeError, match="40000"):
            write_label_map(tmp_path / "a.nii", np.zeros((40000, 1, 1), dtype=np.uint8), AFFINE)
        two = Volume(torch.zeros(2, *SHAPE), AFFINE, "MR", Source(kind=SourceKind.MEMORY))
        with pytest.raises(ShapeError, match="2 channels"):
            write_volume(tmp_path / "a.nii", two)

    def test_labels_that_are_not_integers_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedError, match="float32"):
            read_label_map(saved(tmp_path / "a.nii", ramp(dtype="float32")))
