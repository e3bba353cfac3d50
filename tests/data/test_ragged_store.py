"""A store of arrays that differ in length: what is written is read, damage is told."""

from pathlib import Path

import numpy as np
import pytest

from medpipe.core.codes import Code
from medpipe.core.errors import NoInputError, SettingsError, ShapeError
from medpipe.data.ragged_store import RaggedStore, write_ragged


def written(folder: Path) -> RaggedStore:
    items = [
        ({"id": str(length)}, {"a": np.arange(length, dtype=np.int32), "b": np.full((length, 2), length / 4)})
        for length in (3, 0, 2)
    ]
    write_ragged(folder, iter(items), facts={"kind": "test"})
    return RaggedStore(folder)


def test_each_item_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    assert [item["id"] for item in store.items] == ["3", "0", "2"]
    assert store.facts == {"kind": "test"}
    assert store.lengths("a").tolist() == [3, 0, 2]
    assert store.read(2, "a").tolist() == [0, 1]
    assert store.read(0, "b").tolist() == [[0.75, 0.75]] * 3
    assert store.read(1, "b").shape == (0, 2)


def test_arrays_without_columns_are_kept(tmp_path: Path) -> None:
    write_ragged(tmp_path / "store", [({}, {"a": np.zeros((4, 0), np.float32)})], facts={})
    assert RaggedStore(tmp_path / "store").read(0, "a").shape == (4, 0)


def test_nothing_to_write_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoInputError):
        write_ragged(tmp_path / "store", [], facts={})
    assert list(tmp_path.iterdir()) == []


def test_items_of_another_kind_are_refused(tmp_path: Path) -> None:
    items = [({}, {"a": np.zeros(2)}), ({}, {"a": np.zeros((2, 3))})]
    with pytest.raises(ShapeError, match="'a'"):
        write_ragged(tmp_path / "store", items, facts={})


def test_store_that_was_cut_short_is_told(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    (tmp_path / "store" / "b.bin").write_bytes(b"12345678")
    with pytest.raises(SettingsError, match=r"b\.bin") as caught:
        store.read(0, "b")
    assert caught.value.code is Code.E_DATASET


@pytest.mark.parametrize("name", ["b.ends", "items.jsonl"])
def test_store_that_lost_the_end_of_a_list_is_told(tmp_path: Path, name: str) -> None:
    written(tmp_path / "store")
    path = tmp_path / "store" / name
    path.write_bytes(path.read_bytes()[:-9])
    store = RaggedStore(tmp_path / "store")
    with pytest.raises(SettingsError, match=name) as caught:
        (store.read(0, "b"), store.items)
    assert caught.value.code is Code.E_DATASET


def test_store_of_an_earlier_form_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text(
        '{"format": "medpipe ragged store 1", "facts": {}, "items": [], "columns": {}}'
    )
    with pytest.raises(SettingsError, match="made again"):
        RaggedStore(tmp_path)


def test_folder_without_an_index_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no prepared data"):
        RaggedStore(tmp_path)
