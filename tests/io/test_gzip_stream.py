"""Gzip streams: equal bytes from any number of threads, damage and bombs refused."""

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import MachineError, RefusedError
from medpipe.io.gzip_stream import open_gzip, open_plain_or_gzip, read_to_end, write_gzip
from medpipe.io.series import DEFAULT_LIMITS, Limits


def some_bytes(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 7, size, dtype=np.uint8).tobytes()


def read_all(path: Path) -> bytes:
    with open_plain_or_gzip(path) as stream:
        return stream.read()


def verify(path: Path, limits: Limits = DEFAULT_LIMITS) -> None:
    with open_gzip(path) as stream:
        read_to_end(stream, already=0, compressed=path.stat().st_size, limits=limits)


class TestWriteGzip:
    # 1 MiB is the block: just below, at and above it, and several blocks.
    @pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5_000_000])
    def test_bytes_do_not_depend_on_threads(self, tmp_path: Path, size: int) -> None:
        content = some_bytes(size)
        for threads in (1, 2, 3, 8):
            write_gzip(tmp_path / f"{threads}.gz", [content], threads=threads)
        written = {(tmp_path / f"{threads}.gz").read_bytes() for threads in (1, 2, 3, 8)}
        assert len(written) == 1
        assert gzip.decompress(written.pop()) == content

    def test_system_gzip_finds_one_sound_member(self, tmp_path: Path) -> None:
        write_gzip(tmp_path / "a.gz", [b"head", some_bytes(3_000_000)])
        subprocess.run(["gzip", "--test", str(tmp_path / "a.gz")], check=True)
        # A second member would begin with the magic after the trailer of the first.
        assert len(gzip.decompress((tmp_path / "a.gz").read_bytes())) == 3_000_004

    def test_header_holds_no_name_and_no_time(self, tmp_path: Path) -> None:
        write_gzip(tmp_path / "patient.gz", [b"x"])
        assert (tmp_path / "patient.gz").read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

    def test_failing_source_leaves_nothing(self, tmp_path: Path) -> None:
        def chunks() -> "list[bytes]":
            raise MemoryError

        with pytest.raises(MemoryError):
            write_gzip(tmp_path / "a.gz", (item for _ in range(1) for item in chunks()))
        assert list(tmp_path.iterdir()) == []

    def test_missing_folder_is_a_machine_error(self, tmp_path: Path) -> None:
        with pytest.raises(MachineError, match="No such file"):
            write_gzip(tmp_path / "absent" / "a.gz", [b"x"])

    @given(st.lists(st.binary(max_size=300), max_size=5))
    def test_any_chunks_come_back(
        self, tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]
    ) -> None:
        path = tmp_path_factory.mktemp("gz") / "a.gz"
        write_gzip(path, chunks, threads=2)
        assert read_all(path) == b"".join(chunks)


class TestReadToEnd:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "a.gz").write_bytes(gzip.compress(some_bytes(400_000)))
        return tmp_path / "a.gz"

    def test_every_cut_is_refused(self, path: Path) -> None:
        whole = path.read_bytes()
        for size in (1, 9, 10, 11, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(RefusedError, match=f"{size} bytes") as caught:
                verify(path)
            assert caught.value.code == "E_TRUNCATED"

    def test_no_bit_flip_passes(self, path: Path) -> None:
        whole = path.read_bytes()
        positions = [10, 11, 50, len(whole) // 3, len(whole) // 2, len(whole) - 8, len(whole) - 4]
        for position in positions:
            damaged = bytearray(whole)
            damaged[position] ^= 0x10
            path.write_bytes(damaged)
            with pytest.raises(RefusedError) as caught:
                verify(path)
            assert caught.value.code in {"E_CHECKSUM", "E_TRUNCATED"}, position

    def test_wrong_checksum_and_wrong_length_are_refused(self, path: Path) -> None:
        whole = path.read_bytes()
        for trailer in (whole[-8:-5] + b"\x00" + whole[-4:], whole[-8:-4] + b"\x00\x00\x00\x00"):
            path.write_bytes(whole[:-8] + trailer)
            with pytest.raises(RefusedError, match="damaged") as caught:
                verify(path)
            assert caught.value.code == "E_CHECKSUM"

    # Fewer bytes than a gzip header count as a second member that was cut.
    @pytest.mark.parametrize(("garbage", "code"), [(b"garbage" * 3, "E_CHECKSUM"), (b"short", "E_TRUNCATED")])
    def test_garbage_after_the_stream_is_refused(self, path: Path, garbage: bytes, code: str) -> None:
        path.write_bytes(path.read_bytes() + garbage)
        with pytest.raises(RefusedError) as caught:
            verify(path)
        assert caught.value.code == code

    def test_plain_file_is_read_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"\x1fplain")
        assert read_all(tmp_path / "a") == b"\x1fplain"

    def test_members_in_a_row_are_joined(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").write_bytes(gzip.compress(b"one ") + gzip.compress(b"two"))
        assert read_all(tmp_path / "a.gz") == b"one two"

    def test_bomb_stops_at_the_ratio(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(50_000_000)))
        with pytest.raises(RefusedError, match="expands more than 10-fold") as caught:
            verify(tmp_path / "a.gz", Limits(max_ratio=10, free_bytes=1_000_000))
        assert caught.value.code == "E_RATIO"
