"""Windows of stays: each step once and in order, padding that says nothing."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.core.stay_batch import StayBatch, StayTruth
from medpipe.data.stay_windows import StayWindow, StayWindows, WindowKey, WindowSampler, collate_windows

lengths_of_stays = st.lists(st.integers(1, 60), min_size=1, max_size=30)


def window_of(length: int, *, start: int = 0, codes: tuple[int, ...] = ()) -> StayWindow:
    """Return a window of one variable whose values are its steps."""
    steps = torch.arange(start, start + length, dtype=torch.float32)
    counts = torch.zeros(1, length, dtype=torch.int64)
    counts[0, :1] = len(codes)
    batch = StayBatch(
        presence=torch.ones(1, length, 1, dtype=torch.bool),
        values=steps[None, :, None],
        time_since_h=torch.zeros(1, length, 1),
        statics=torch.tensor([[float(length)]]),
        lengths=torch.tensor([length]),
        extremes=steps[None, :, None],
        codes=torch.tensor(codes, dtype=torch.int64),
        code_counts=counts,
    )
    return StayWindow(batch, StayTruth(steps[None, :, None], torch.zeros(1, length, 1, 0)), start)


@given(lengths_of_stays, st.integers(1, 8), st.integers(1, 20), st.integers(0, 3))
def test_each_step_is_seen_once_and_windows_of_a_stay_follow_each_other(
    lengths: list[int], batch_stays: int, window: int, epoch: int
) -> None:
    sampler = WindowSampler(lengths, batch_stays=batch_stays, window=window)
    sampler.set_epoch(epoch)
    seen: dict[int, list[int]] = defaultdict(list)
    batches = list(sampler)
    for before, keys in zip([[], *batches], batches, strict=False):
        assert len(keys) <= batch_stays
        if keys[0].start:
            # The state of the batch before is that of the same stays.
            assert [(key.stay, key.stop) for key in before] == [(key.stay, key.start) for key in keys]
        for key in keys:
            seen[key.stay] += range(key.start, min(key.stop, lengths[key.stay]))
    assert {stay: sorted(steps) for stay, steps in seen.items()} == {
        stay: list(range(length)) for stay, length in enumerate(lengths)
    }
    assert len(batches) == len(sampler)


def test_epochs_differ_and_an_epoch_is_the_same_again() -> None:
    sampler = WindowSampler([5] * 40, batch_stays=4, window=8)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_stays_are_batched_with_those_of_like_length() -> None:
    sampler = WindowSampler([1, 40] * 20, batch_stays=4, window=40)
    assert all(len({key.stay % 2 for key in keys}) == 1 for keys in sampler)


def test_stays_that_are_not_mixed_come_by_length() -> None:
    sampler = WindowSampler([7, 5, 6, 5, 90], batch_stays=2, window=64, shuffle=False)
    assert [[key.stay for key in keys] for keys in sampler] == [[1, 3], [2, 0], [4], [4]]


def test_window_past_the_end_of_a_stay_is_empty() -> None:
    windows = StayWindows(
        np.array([5]), lambda keys: [window_of(stop - start, start=start) for _, start, stop in keys]
    )
    assert len(windows) == 1
    assert windows[WindowKey(0, 4, 8)].batch.values[0, :, 0].tolist() == [4]
    past = windows[WindowKey(0, 8, 12)]
    assert (past.batch.lengths.tolist(), past.start) == ([0], 8)


def test_shorter_stays_are_padded_with_what_says_nothing() -> None:
    batch = collate_windows([window_of(3, codes=(4, 5)), window_of(1, codes=(6,)), window_of(0)])
    assert batch.is_first
    assert batch.batch.lengths.tolist() == [3, 1, 0]
    assert batch.batch.presence[:, :, 0].tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert batch.batch.time_since_h[1, 1:].isinf().all()
    assert batch.truth.risks[1, 1:].isnan().all()
    assert batch.batch.codes is not None
    assert batch.batch.codes.tolist() == [4, 5, 6]
    assert batch.batch.code_counts is not None
    assert batch.batch.code_counts.tolist() == [[2, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_later_windows_say_that_they_are() -> None:
    assert not collate_windows([window_of(2, start=8)]).is_first


def test_no_stays_and_no_steps_are_refused() -> None:
    with pytest.raises(NoInputError):
        WindowSampler([], batch_stays=1, window=1)
    with pytest.raises(SettingsError, match="window"):
        WindowSampler([1], batch_stays=1, window=0)
