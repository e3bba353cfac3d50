"""Scores: values of tables, losses over the known ones, decoding and intervals."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.testing import assert_close

from medpipe.core.errors import RefusedError
from medpipe.core.findings import CodedConcept, Maker
from medpipe.core.scores import FittedScore, OrdinalScore, RegressionScore, Score, ScoreInterval, ScoreScale
from medpipe.tasks.scores import ScoreTask, fit_interval, fit_scale, parse_score

CODE = CodedConcept(scheme="99MEDPIPE", value="mmse", meaning="MMSE")
MMSE = RegressionScore(name="mmse", code=CODE, low=0, high=30)
RATING = OrdinalScore(name="rating", code=CODE, levels=(0, 0.5, 1, 2))
VOLUME = RegressionScore(name="volume_ml", code=CODE, low=0, logarithmic=True)
TASK = ScoreTask((FittedScore(score=MMSE, scale=ScoreScale(mean=20, spread=4)), FittedScore(score=RATING)))


@pytest.mark.parametrize(
    ("score", "value", "expected"),
    [
        (MMSE, "28", 28.0),
        (MMSE, 12.5, 12.5),
        (RATING, "0.5", 0.5),
        (MMSE, None, math.nan),
        (MMSE, " ", math.nan),
    ],
)
def test_cells_are_numbers_or_unknown(score: Score, value: str | float | None, expected: float) -> None:
    assert parse_score(score, value, case_id="case7") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("score", "value", "words"),
    [
        (MMSE, "n/a", "must be a number"),
        (MMSE, "nan", "must be a number"),
        (MMSE, "31", "from 0 to 30"),
        (RATING, "1.5", "one of 0, 0.5, 1, 2"),
        (VOLUME, "0", "a number above 0"),
    ],
)
def test_other_cells_are_refused_with_their_case(score: Score, value: str, words: str) -> None:
    with pytest.raises(RefusedError, match=rf"Case case7: the score .* {words}.*found '{value}'"):
        parse_score(score, value, case_id="case7")


def test_an_output_counts_spreads_above_the_mean() -> None:
    assert TASK.decode(torch.tensor([-1.0, -9.0, -9.0, -9.0])) == (16.0, 0)
    assert TASK.decode(torch.tensor([9.0, 2.0, 1.0, -0.1])) == (30.0, 1)


def test_what_spans_orders_of_magnitude_is_learned_by_its_logarithm() -> None:
    scale = fit_scale(VOLUME, [1.0, math.e**2, math.nan])
    assert (scale.mean, scale.spread) == pytest.approx((1.0, 1.0))
    task = ScoreTask((FittedScore(score=VOLUME, scale=scale),))
    assert task.decode(torch.tensor([1.0])) == pytest.approx((math.e**2,))
    assert task.decode(torch.tensor([1e9]))[0] < math.inf
    # Twice too much is as wrong of 1 mL as of 100.
    outputs = torch.tensor([[math.log(2.0) - 1.0], [math.log(200.0) - 1.0]])
    small, large = (
        task.losses(outputs[[row]], torch.tensor([[value]]))[0] for row, value in enumerate((1.0, 100.0))
    )
    assert_close(small, large)


def test_the_loss_of_a_right_answer_is_small_and_of_a_wrong_one_large() -> None:
    truth = torch.tensor([[24.0, 2.0]])
    right, wrong = torch.tensor([[1.0, 9.0, 9.0, 9.0]]), torch.tensor([[-1.0, -9.0, -9.0, -9.0]])
    for good, bad in zip(TASK.losses(right, truth), TASK.losses(wrong, truth), strict=True):
        assert good is not None
        assert bad is not None
        assert good < 0.01 < 1.0 < bad


def test_unknown_values_count_for_nothing() -> None:
    outputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    truth = torch.tensor([[24.0, math.nan], [math.nan, math.nan], [10.0, math.nan]])
    mmse, rating = TASK.losses(outputs, truth)
    assert rating is None
    assert mmse is not None
    alone, _ = TASK.losses(outputs[[0, 2]], truth[[0, 2]])
    assert alone is not None
    assert_close(mmse, alone)
    mmse.backward()
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()
    assert not outputs.grad[1].any()


def test_scale_is_of_known_values() -> None:
    assert fit_scale(MMSE, [10, math.nan, 20]) == ScoreScale(mean=15, spread=5)
    assert fit_scale(MMSE, [7, 7]) == ScoreScale(mean=7, spread=1)
    assert fit_scale(MMSE, [math.nan]) == fit_scale(RATING, [0, 2]) == ScoreScale()


def test_an_interval_holds_nine_in_ten_new_cases() -> None:
    generator = torch.Generator().manual_seed(0)
    held = []
    for _ in range(200):
        errors = torch.randn(40, generator=generator).tolist()
        interval = fit_interval(errors[:20], [0.0] * 20)
        assert interval is not None
        held += [abs(error) <= interval.half_width for error in errors[20:]]
    assert sum(held) / len(held) == pytest.approx(0.9, abs=0.02)


def test_too_few_cases_give_no_interval() -> None:
    assert fit_interval([0.0] * 8, [1.0] * 8) is None
    assert fit_interval([0.0] * 9, [1.0] * 9) == ScoreInterval(half_width=1, num_cases=9)


def test_a_finding_has_its_interval_within_the_bounds() -> None:
    fitted = FittedScore(score=MMSE, interval=ScoreInterval(half_width=3, num_cases=20))
    (finding,) = ScoreTask((fitted,)).findings(
        torch.tensor([29.0]), source="image", made_by=Maker(name="brain", version="1.0.0")
    )
    assert (finding.value, finding.unit, finding.id) == (29.0, "1", "brain/image/mmse")
    assert finding.uncertainty is not None
    assert (finding.uncertainty.low, finding.uncertainty.high) == (26.0, 30.0)


@pytest.mark.parametrize("levels", [(1,), (0, 0), (2, 1)])
def test_levels_ascend(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        OrdinalScore(name="rating", code=CODE, levels=levels)
