"""Sentences of prepared stays: bands, codes, order of time, and that other stays are not read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medpipe.data.ragged_store import RaggedStore, write_ragged
from medpipe.training.codes.sentences import StaySentences, band_codes

NAN = np.nan


def stay(
    patient: str, values: Sequence[tuple[float, float]], codes: Sequence[Sequence[int]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a stay; values of two variables a step, NaN where not measured, and codes of each step."""
    table = np.array(values, dtype=np.float32)
    return {"patient": patient}, {
        "carried": np.nan_to_num(table, nan=77.0),  # what is carried on is not new
        "since_h": np.where(np.isnan(table), 6.0, 0.0).astype(np.float32),
        "codes": np.array([code for step in codes for code in step], dtype=np.int32),
        "code_counts": np.array([len(step) for step in codes], dtype=np.int32),
    }


@pytest.fixture
def store(tmp_path: Path) -> RaggedStore:
    stays = [
        stay("p", [(1, NAN), (NAN, NAN), (5, 1)], [[1], [], [0, 1]]),
        stay("p", [(9, 1)], [[]]),
        stay("q", [(1000, 1), (2000, 1)], [[0], []]),
    ]
    facts = {"variables": ["lactate", "dialysis"], "vocabulary": ["drug//a", "drug//b"]}
    write_ragged(tmp_path / "stays", iter(stays), facts=facts)
    return RaggedStore(tmp_path / "stays")


def test_a_step_is_a_sentence_and_empty_ones_are_left_out(store: RaggedStore) -> None:
    sentences = StaySentences(store, [0, 1], bands=3, seed=0)
    # Thirds of 1, 5, 9 are parted at 1 + 8/3 and 1 + 16/3; dialysis is always 1 and has no bands.
    assert sentences.borders == {"lactate": pytest.approx((11 / 3, 19 / 3))}
    (patient,) = list(sentences)
    assert patient.patient == "p"
    assert patient.sentences == [
        ["lactate//low", "drug//b"],
        ["lactate//middle", "dialysis", "drug//a", "drug//b"],
        ["lactate//high", "dialysis"],
    ]
    assert list(sentences) == [patient]


def test_stays_that_are_not_given_change_nothing(store: RaggedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    whole = store.read
    monkeypatch.setattr(store, "read", lambda number, name: read.append(number) or whole(number, name))
    assert [one.patient for one in StaySentences(store, [0, 1], bands=5, seed=0)] == ["p"]
    assert set(read) == {0, 1}


def test_without_bands_a_variable_is_one_code(store: RaggedStore) -> None:
    found = StaySentences(store, [2], bands=1, seed=0)
    assert found.borders == {}
    assert [one.sentences for one in found] == [
        [["lactate", "dialysis", "drug//a"], ["lactate", "dialysis"]],
    ]
    assert band_codes("lactate", 1) == ("lactate",)
    assert band_codes("lactate", 5)[-1] == "lactate//highest"
