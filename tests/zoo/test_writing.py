"""Writing packages: whole or not at all, and never over something else."""

import errno
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from medpipe.core.errors import MachineError, NoInputError, SettingsError
from medpipe.zoo import writing
from medpipe.zoo.finder import find_package, user_folder
from medpipe.zoo.manifest import NetworkSpec, SegmentationSpec
from medpipe.zoo.package import FILES, WEIGHTS, Package
from medpipe.zoo.writing import add_package, write_package


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let writing fail once half of the weights is on the disk."""
    write = Path.write_bytes

    def write_half(path: Path, content: bytes) -> int:
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_half)


class TestWritePackage:
    def test_folder_holds_the_four_files(self, written: Package) -> None:
        assert sorted(file.name for file in written.path.iterdir()) == sorted(FILES)
        assert written.manifest.weights.num_parameters == 4763
        assert written.manifest.weights.num_bytes == (written.path / WEIGHTS).stat().st_size
        assert {"medpipe", "torch", "python"} <= written.manifest.made_with.keys()

    def test_same_input_gives_the_same_bytes(
        self, written: Package, tmp_path: Path, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        again = write_package(tmp_path / "spots", spec, state, card=card, licence="Public domain\n")
        for name in FILES:
            assert (again.path / name).read_bytes() == (written.path / name).read_bytes()

    @pytest.mark.usefixtures("full_disk")
    def test_full_disk_leaves_nothing(
        self, tmp_path: Path, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        with pytest.raises(MachineError, match="No space left on device") as caught:
            write_package(tmp_path / "zoo" / "spots", spec, state, card=card, licence="x")
        assert caught.value.code == "E_DISK"
        assert list((tmp_path / "zoo").iterdir()) == []

    @pytest.mark.usefixtures("full_disk")
    def test_full_disk_keeps_the_older_package(
        self, spots: Package, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        with pytest.raises(MachineError, match="No space left"):
            write_package(spots.path, spec, state, card=card, licence="x", replace=True)
        assert find_package(spots.path) == spots
        assert [folder.name for folder in spots.path.parent.iterdir()] == ["spots"]

    def test_older_package_is_replaced_on_request_only(
        self, spots: Package, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        with pytest.raises(SettingsError, match="exists already"):
            write_package(spots.path, spec, state, card=card, licence="new")
        assert write_package(spots.path, spec, state, card=card, licence="new", replace=True).licence == "new"

    def test_folder_that_is_no_package_is_never_replaced(
        self, tmp_path: Path, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        (tmp_path / "spots").mkdir()
        (tmp_path / "spots" / "thesis.txt").write_text("precious")
        with pytest.raises(SettingsError, match="exists already"):
            write_package(tmp_path / "spots", spec, state, card=card, licence="x", replace=True)
        assert (tmp_path / "spots" / "thesis.txt").read_text() == "precious"

    def test_folder_of_another_name_is_refused(
        self, tmp_path: Path, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        with pytest.raises(SettingsError, match="found 'dots', expected 'spots'"):
            write_package(tmp_path / "dots", spec, state, card=card, licence="x")

    def test_network_above_six_million_parameters_is_refused(
        self, tmp_path: Path, spec: SegmentationSpec, card: str
    ) -> None:
        large = NetworkSpec(
            name="unet", arguments={"in_channels": 1, "num_classes": 3, "channels": [64, 128, 256, 256]}
        )
        with pytest.raises(SettingsError, match=r"found [\d,]+ parameters, at most 6,000,000"):
            write_package(
                tmp_path / "spots", spec.model_copy(update={"network": large}), {}, card=card, licence="x"
            )

    @pytest.mark.parametrize(("value", "found"), [(float("nan"), "nan"), (1e5, "100000")])
    def test_weights_that_float16_cannot_hold_are_named(
        self,
        tmp_path: Path,
        spec: SegmentationSpec,
        state: dict[str, Tensor],
        card: str,
        value: float,
        found: str,
    ) -> None:
        name = sorted(state)[0]
        broken = {**state, name: torch.full_like(state[name], value)}
        with pytest.raises(SettingsError, match=f"{name}.*found largest size {found}"):
            write_package(tmp_path / "spots", spec, broken, card=card, licence="x")

    def test_state_of_another_network_leaves_nothing(
        self, tmp_path: Path, spec: SegmentationSpec, state: dict[str, Tensor], card: str
    ) -> None:
        with pytest.raises(SettingsError, match="do not fit its network"):
            write_package(
                tmp_path / "zoo" / "spots", spec, dict(list(state.items())[1:]), card=card, licence="x"
            )
        assert list((tmp_path / "zoo").iterdir()) == []

    def test_card_is_checked_first(
        self, tmp_path: Path, spec: SegmentationSpec, state: dict[str, Tensor]
    ) -> None:
        with pytest.raises(SettingsError, match="'## Data'"):
            write_package(tmp_path / "spots", spec, state, card="# Spots", licence="x")


class TestAddPackage:
    def test_package_is_found_by_name_afterwards(self, spots: Package) -> None:
        added = add_package(spots.path)
        assert added.path == user_folder() / "spots"
        assert find_package("spots") == added
        assert added.digest == spots.digest

    def test_damaged_weights_are_not_added(self, spots: Package) -> None:
        content = bytearray((spots.path / WEIGHTS).read_bytes())
        content[-1] ^= 1
        (spots.path / WEIGHTS).write_bytes(content)
        with pytest.raises(MachineError, match="sha256"):
            add_package(spots.path)
        assert list(user_folder().iterdir()) == []

    def test_source_with_code_is_not_added(self, spots: Package) -> None:
        (spots.path / "run.py").write_text("import os")
        with pytest.raises(SettingsError, match="could be code"):
            add_package(spots.path)
        assert not user_folder().exists()

    def test_taken_name_needs_replace(self, spots: Package) -> None:
        add_package(spots.path)
        with pytest.raises(SettingsError, match="exists already"):
            add_package(spots.path)
        assert add_package(spots.path, replace=True).digest == spots.digest

    def test_name_of_a_shipped_package_is_refused(
        self, spots: Package, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writing, "shipped_folder", lambda: spots.path.parent)
        with pytest.raises(SettingsError, match="comes with medpipe"):
            add_package(spots.path)

    def test_absent_source_is_no_input(self, tmp_path: Path) -> None:
        with pytest.raises(NoInputError, match="absent"):
            add_package(tmp_path / "absent")
