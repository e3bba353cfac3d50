import pytest
import torch

from medpipe.core.errors import ShapeError
from medpipe.core.stay_batch import StayBatch


def batch() -> StayBatch:
    """Return stays of 3 and 1 steps, of one variable, whose values are the numbers of their steps."""
    steps = torch.arange(6.0).reshape(2, 3, 1)
    return StayBatch(
        presence=steps >= 0,
        values=steps,
        time_since_h=steps,
        statics=torch.ones(2, 1),
        lengths=torch.tensor([3, 1]),
        extremes=10 * steps,
        codes=torch.tensor([7, 8, 9, 4, 5]),
        code_counts=torch.tensor([[1, 0, 2], [2, 0, 0]]),
    )


def test_steps_of_all_stays_are_cut_out_with_their_codes() -> None:
    part = batch().steps(1, 3)
    assert part.values.flatten().tolist() == [1, 2, 4, 5]
    assert part.extremes is not None
    assert part.extremes.flatten().tolist() == [10, 20, 40, 50]
    assert part.lengths.tolist() == [2, 0]
    assert part.statics.shape == (2, 1)
    assert part.codes is not None
    assert part.codes.tolist() == [8, 9]
    assert part.code_counts is not None
    assert part.code_counts.tolist() == [[0, 2], [0, 0]]


def test_parts_together_have_all_codes_and_steps() -> None:
    first, second = batch().steps(0, 1), batch().steps(1, 3)
    assert (first.lengths + second.lengths).tolist() == [3, 1]
    assert first.codes is not None
    assert first.codes.tolist() == [7, 4, 5]


def test_batches_without_codes_have_parts_too() -> None:
    part = batch()._replace(codes=None, code_counts=None, extremes=None).steps(0, 2)
    assert part.codes is None
    assert part.extremes is None
    assert part.presence.shape == (2, 2, 1)


@pytest.mark.parametrize(("start", "stop"), [(1, 1), (0, 4), (-1, 2), (2, 1)])
def test_steps_that_are_not_there_are_refused(start: int, stop: int) -> None:
    with pytest.raises(ShapeError, match=f"found steps {start} to {stop} of 3"):
        batch().steps(start, stop)
