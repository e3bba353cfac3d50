"""Atomic writing: complete or absent, at any moment."""

import errno
import os
from pathlib import Path

import pytest

from medpipe.core.errors import MachineError
from medpipe.io import atomic
from medpipe.io.atomic import (
    atomic_folder,
    atomic_write,
    publish_folder,
    sweep_leftovers,
    write_bytes,
    write_text,
)


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


class TestAtomicWrite:
    def test_target_appears_only_at_the_end(self, tmp_path: Path) -> None:
        target = tmp_path / "a.bin"
        with atomic_write(target) as stream:
            stream.write(b"new")
            assert not target.exists()
        assert target.read_bytes() == b"new"
        assert names_in(tmp_path) == ["a.bin"]

    @pytest.mark.parametrize("durable", [False, True])
    def test_old_file_is_replaced(self, tmp_path: Path, durable: bool) -> None:
        write_text(tmp_path / "a.txt", "old")
        write_text(tmp_path / "a.txt", "nöw\n", durable=durable)
        assert (tmp_path / "a.txt").read_bytes() == "nöw\n".encode()

    def test_error_keeps_the_old_file_and_leaves_nothing(self, tmp_path: Path) -> None:
        write_bytes(tmp_path / "a.bin", b"old")

        def write_half() -> None:
            with atomic_write(tmp_path / "a.bin") as stream:
                stream.write(b"half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_half()
        assert (tmp_path / "a.bin").read_bytes() == b"old"
        assert names_in(tmp_path) == ["a.bin"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
    def test_disk_fault_is_a_machine_error(self, tmp_path: Path, number: int) -> None:
        with (
            pytest.raises(MachineError, match=os.strerror(number)) as caught,
            atomic_write(tmp_path / "a.bin"),
        ):
            raise OSError(number, os.strerror(number))
        assert caught.value.code == "E_DISK"
        assert names_in(tmp_path) == []

    def test_missing_folder_is_a_machine_error(self, tmp_path: Path) -> None:
        with pytest.raises(MachineError, match="No such file"):
            write_bytes(tmp_path / "absent" / "a.bin", b"")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_folder_without_permission_is_a_machine_error(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        with pytest.raises(MachineError, match="Permission denied"):
            write_bytes(tmp_path / "a.bin", b"")

    def test_link_as_target_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "real.txt").write_text("precious")
        (tmp_path / "link.txt").symlink_to(tmp_path / "real.txt")
        with pytest.raises(MachineError, match=r"a link at .*link\.txt"):
            write_text(tmp_path / "link.txt", "other")
        assert (tmp_path / "real.txt").read_text() == "precious"

    def test_mode_restricts_the_file(self, tmp_path: Path) -> None:
        write_text(tmp_path / "secret", "", mode=0o600)
        assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


class TestPublishFolder:
    @staticmethod
    def staged(tmp_path: Path, content: str) -> Path:
        folder = tmp_path / ".tmp-staged"
        (folder / "masks").mkdir(parents=True)
        (folder / "masks" / "a.txt").write_text(content)
        return folder

    @pytest.mark.parametrize("durable", [False, True])
    def test_old_folder_is_replaced_whole(self, tmp_path: Path, durable: bool) -> None:
        publish_folder(self.staged(tmp_path, "old"), tmp_path / "study", durable=durable)
        (tmp_path / "study" / "only-old.txt").write_text("")
        publish_folder(self.staged(tmp_path, "new"), tmp_path / "study", durable=durable)
        assert names_in(tmp_path) == ["study"]
        assert names_in(tmp_path / "study") == ["masks"]
        assert (tmp_path / "study" / "masks" / "a.txt").read_text() == "new"

    def test_link_as_target_is_refused(self, tmp_path: Path) -> None:
        staged = self.staged(tmp_path, "new")
        (tmp_path / "study").symlink_to(tmp_path)
        with pytest.raises(MachineError, match="a link at"):
            publish_folder(staged, tmp_path / "study")

    def test_death_between_the_renames_is_mended(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish_folder(self.staged(tmp_path, "old"), tmp_path / "study")
        staged = self.staged(tmp_path, "new")
        rename = os.rename

        def die_on_second(source: Path, target: Path) -> None:
            if Path(source) == staged:
                raise KeyboardInterrupt
            rename(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(atomic.os, "rename", die_on_second)
            with pytest.raises(KeyboardInterrupt):
                publish_folder(staged, tmp_path / "study")
        assert names_in(tmp_path) == [".old-study", ".tmp-staged"]
        assert sweep_leftovers(tmp_path) == 2
        assert names_in(tmp_path) == ["study"]
        assert (tmp_path / "study" / "masks" / "a.txt").read_text() == "old"


class TestSweepLeftovers:
    def test_only_leftovers_go(self, tmp_path: Path) -> None:
        (tmp_path / ".tmp-1").write_text("")
        (tmp_path / ".tmp-2").mkdir()
        (tmp_path / ".old-study").mkdir()
        (tmp_path / "study").mkdir()
        (tmp_path / ".hidden").write_text("")
        assert sweep_leftovers(tmp_path) == 3
        assert names_in(tmp_path) == [".hidden", "study"]

    def test_young_leftovers_stay_on_request(self, tmp_path: Path) -> None:
        (tmp_path / ".tmp-1").write_text("")
        assert sweep_leftovers(tmp_path, min_age_s=60) == 0
        assert names_in(tmp_path) == [".tmp-1"]

    def test_link_among_leftovers_is_removed_and_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "keep").mkdir()
        (tmp_path / ".tmp-1").symlink_to(tmp_path / "keep")
        assert sweep_leftovers(tmp_path) == 1
        assert names_in(tmp_path) == ["keep"]


class TestAtomicFolder:
    def test_folder_appears_only_at_the_end(self, tmp_path: Path) -> None:
        target = tmp_path / "above" / "package"
        with atomic_folder(target) as staged:
            (staged / "a.txt").write_text("new")
            assert not target.exists()
        assert (target / "a.txt").read_text() == "new"
        assert names_in(tmp_path / "above") == ["package"]

    def test_full_disk_keeps_the_old_folder_and_leaves_nothing(self, tmp_path: Path) -> None:
        with atomic_folder(tmp_path / "package") as staged:
            (staged / "a.txt").write_text("old")

        def write_half() -> None:
            with atomic_folder(tmp_path / "package") as staged:
                (staged / "a.txt").write_text("new")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(MachineError, match="No space left") as caught:
            write_half()
        assert caught.value.code == "E_DISK"
        assert (tmp_path / "package" / "a.txt").read_text() == "old"
        assert names_in(tmp_path) == ["package"]

    def test_link_as_target_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "package").symlink_to(tmp_path)
        with pytest.raises(MachineError, match="a link at"), atomic_folder(tmp_path / "package"):
            pass
