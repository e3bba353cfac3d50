"""Classification: losses worked by hand, and findings of a study."""

from math import log, nan

import pytest
import torch
from torch.testing import assert_close

from medpipe.core.calibration import LogitCalibration
from medpipe.core.class_labels import ClassLabel, FittedLabel
from medpipe.core.findings import CodedConcept, Maker
from medpipe.tasks.classification import SLICES, STUDIES, ClassificationTask, StudyAnswer

MAKER = Maker(name="heads", version="1.0.0")


def label(name: str, **changes: object) -> FittedLabel:
    code = CodedConcept(scheme="99MEDPIPE", value=name, meaning=name.capitalize())
    fitted = {key: changes.pop(key) for key in ("threshold", "calibration") if key in changes}
    return FittedLabel(label=ClassLabel(name=name, code=code, **changes), **fitted)


def losses(
    task: ClassificationTask, study: list[list[float]], slices: list[list[float]]
) -> dict[str, torch.Tensor]:
    study_truth, slice_truth = torch.tensor(study), torch.tensor(slices)
    return task.losses(torch.zeros_like(study_truth), torch.zeros_like(slice_truth), study_truth, slice_truth)


class TestLosses:
    def test_a_logit_of_zero_costs_log_two(self) -> None:
        task = ClassificationTask((label("any"), label("mass")))
        found = losses(task, [[1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]])
        assert_close(found, {STUDIES: torch.tensor(log(2.0)), SLICES: torch.tensor(log(2.0))})

    def test_labels_count_by_their_weight(self) -> None:
        task = ClassificationTask((label("any", weight=2.0), label("mass")))
        logits = torch.tensor([[3.0, 0.0]])
        found = task.losses(logits, torch.zeros(1, 2), torch.tensor([[1.0, 1.0]]), torch.full((1, 2), nan))
        # Twice log(1 + exp(-3)) and once log 2, over three.
        assert found[STUDIES].item() == pytest.approx((2 * 0.0485874 + 0.6931472) / 3, abs=1e-6)

    def test_unknown_truth_is_left_out(self) -> None:
        task = ClassificationTask((label("any"), label("mass")))
        logits = torch.tensor([[5.0, 0.0], [0.0, 0.0]])
        truth = torch.tensor([[nan, 1.0], [nan, nan]])
        found = task.losses(logits, torch.zeros(2, 2), truth, torch.full((2, 2), nan))
        assert_close(found, {STUDIES: torch.tensor(log(2.0))})

    def test_labels_of_studies_alone_are_not_asked_of_slices(self) -> None:
        task = ClassificationTask((label("any"), label("mass", by_slice=False)))
        slice_logits = torch.tensor([[0.0, 9.0]])
        found = task.losses(torch.zeros(1, 2), slice_logits, torch.zeros(1, 2), torch.zeros(1, 2))
        assert_close(found[SLICES], torch.tensor(log(2.0)))

    def test_focus_lets_good_answers_count_less(self) -> None:
        # At a logit of 0 the answer is off by a half: a quarter of the loss is left.
        found = losses(ClassificationTask((label("any"),), focus=2.0), [[1.0]], [[nan]])
        assert_close(found[STUDIES], torch.tensor(log(2.0) / 4))

    def test_gradient_of_unknown_truth_is_zero(self) -> None:
        logits = torch.zeros(2, 1, requires_grad=True)
        task = ClassificationTask((label("any"),), focus=2.0)
        found = task.losses(logits, torch.zeros(2, 1), torch.tensor([[1.0], [nan]]), torch.full((2, 1), nan))
        found[STUDIES].backward()
        assert logits.grad is not None
        assert logits.grad[1].item() == 0.0
        assert logits.grad[0].item() < 0.0


class TestFindings:
    def test_state_probability_threshold_and_curve(self) -> None:
        task = ClassificationTask((label("any", threshold=0.7),))
        answer = StudyAnswer(
            torch.tensor([log(3.0)]), torch.tensor([[0.25], [0.5], [0.125]]), torch.ones(3, 1)
        )
        (found,) = task.findings(answer, source="image", made_by=MAKER)
        assert found.id == "heads/image/any"
        assert found.probability == pytest.approx(0.75)
        assert found.is_positive
        assert found.slice_probabilities == (0.25, 0.5, 0.125)
        assert found.uncertainty is None

    def test_are_calibrated_where_the_package_knows_how(self) -> None:
        calibration = LogitCalibration(slope=0.5, offset=log(3.0), covariance=(0.0, 0.0, 0.01), num_cases=90)
        task = ClassificationTask((label("any", calibration=calibration),))
        (found,) = task.findings(
            StudyAnswer(torch.tensor([0.0]), torch.zeros(1, 1), torch.ones(1, 1)),
            source="image",
            made_by=MAKER,
        )
        assert found.probability == pytest.approx(0.75)
        assert found.uncertainty is not None
        assert found.uncertainty.low < 0.75 < found.uncertainty.high

    def test_have_no_curve_where_slices_do_not_have_the_label(self) -> None:
        task = ClassificationTask((label("any", by_slice=False),))
        (found,) = task.findings(
            StudyAnswer(torch.tensor([0.0]), torch.zeros(4, 1), torch.ones(4, 1)),
            source="image",
            made_by=MAKER,
        )
        assert found.slice_probabilities == ()
