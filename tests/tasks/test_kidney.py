"""Kidney injury: losses worked by hand, and findings of steps."""

from math import exp, log, nan

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import CodedConcept, FindingsRecord, Forecast, Maker, Risk
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.scores import ScoreScale
from medpipe.core.stay_batch import StayTruth
from medpipe.models.aki_rnn.model import AkiOutput
from medpipe.tasks.kidney import AKI, LABS, RISKS, KidneyTask

MAKER = Maker(name="aki", version="1.0.0")
CREATININE = ForecastLab(
    name="creatinine",
    code=CodedConcept(scheme="LN", value="14682-9", meaning="Creatinine"),
    unit="umol/L",
    scale=ScoreScale(mean=100, spread=20),
)
UREA = ForecastLab(
    name="urea",
    code=CodedConcept(scheme="LN", value="22664-7", meaning="Urea"),
    unit="mmol/L",
    scale=ScoreScale(mean=6, spread=2),
)
TASK = KidneyTask((24.0, 48.0), (CREATININE, UREA))
RISKS_ALONE = KidneyTask((24.0, 48.0))


def output(logits: Tensor, maxima: Tensor | None) -> AkiOutput:
    return AkiOutput(logits, maxima, torch.zeros(1, len(logits), 1))


def leaves() -> tuple[Tensor, Tensor]:
    """Return logits of log 3 and maxima of 1.5 of one stay of two steps, at two horizons, of two labs."""
    return (
        torch.full((1, 2, 2), log(3.0), requires_grad=True),
        torch.full((1, 2, 2, 2), 1.5, requires_grad=True),
    )


def unknown() -> StayTruth:
    return StayTruth(torch.full((1, 2, 2), nan), torch.full((1, 2, 2, 2), nan))


def partly_known() -> StayTruth:
    truth = unknown()
    truth.risks[0, 0] = torch.tensor([0.0, 1.0])
    truth.lab_maxima[0, 0, 1] = torch.tensor([140.0, nan])
    truth.lab_maxima[0, 1, 0] = torch.tensor([nan, 7.0])
    return truth


class TestLosses:
    def test_are_means_over_what_is_known(self) -> None:
        found = TASK.losses(output(*leaves()), partly_known())
        # Of log 4 for the 0 and log 4/3 for the 1; of (1.5 - 2)^2 and (1.5 - 0.5)^2.
        assert_close(found[RISKS], torch.tensor((log(4.0) + log(4 / 3)) / 2))
        assert_close(found[LABS], torch.tensor((0.25 + 1.0) / 2))

    def test_weigh_one_and_five(self) -> None:
        found = TASK.loss(output(*leaves()), partly_known(), TASK.loss_weights(learned=False))
        assert_close(found, torch.tensor((log(4.0) + log(4 / 3)) / 2 + 5 * 0.625))

    def test_learned_scales_start_at_the_fixed_weights_and_learn(self) -> None:
        weights = TASK.loss_weights(learned=True)
        found = TASK.loss(output(*leaves()), partly_known(), weights)
        assert_close(found, TASK.loss(output(*leaves()), partly_known(), TASK.loss_weights(learned=False)))
        found.backward()
        # The derivative of w * loss * exp(-s) + s at 0 is 1 - w * loss.
        assert weights.log_scales[LABS].grad.item() == pytest.approx(1 - 5 * 0.625)

    def test_gradient_of_what_is_unknown_is_zero(self) -> None:
        logits, maxima = leaves()
        TASK.loss(output(logits, maxima), partly_known(), TASK.loss_weights(learned=False)).backward()
        assert logits.grad is not None
        assert maxima.grad is not None
        # Half of sigmoid(log 3) less the truth; 5 times half of twice the error.
        assert_close(logits.grad, torch.tensor([[[0.375, -0.125], [0.0, 0.0]]]))
        expected = torch.zeros(1, 2, 2, 2)
        expected[0, 0, 1, 0], expected[0, 1, 0, 1] = 5 * -0.5, 5 * 1.0
        assert_close(maxima.grad, expected)

    @pytest.mark.parametrize("learned", [False, True])
    def test_a_batch_of_which_nothing_is_known_has_none(self, learned: bool) -> None:
        logits, maxima = leaves()
        weights = TASK.loss_weights(learned=learned)
        assert TASK.losses(output(logits, maxima), unknown()) == {}
        loss = TASK.loss(output(logits, maxima), unknown(), weights)
        loss.backward()
        assert loss.item() == 0.0
        for leaf in (logits, maxima):
            assert leaf.grad is not None
            assert not leaf.grad.any()
        assert all(item.grad is None for item in weights.parameters())

    def test_heads_without_truth_have_a_gradient_of_zero(self) -> None:
        logits, maxima = leaves()
        truth = partly_known()._replace(lab_maxima=unknown().lab_maxima)
        TASK.loss(output(logits, maxima), truth, TASK.loss_weights(learned=False)).backward()
        assert maxima.grad is not None
        assert not maxima.grad.any()

    def test_risks_may_be_alone(self) -> None:
        weights = RISKS_ALONE.loss_weights(learned=True)
        found = RISKS_ALONE.losses(output(leaves()[0], None), partly_known())
        assert list(found) == [RISKS]
        assert list(weights.log_scales) == [RISKS]

    @pytest.mark.parametrize(
        ("task", "maxima"), [(TASK, None), (RISKS_ALONE, leaves()[1]), (TASK, leaves()[1][..., :1])]
    )
    def test_labs_of_another_network_are_refused(self, task: KidneyTask, maxima: Tensor | None) -> None:
        with pytest.raises(ShapeError, match=r"Risks must be \(1, 2, 2\)"):
            task.losses(output(leaves()[0], maxima), unknown())

    def test_truth_of_other_horizons_is_refused(self) -> None:
        truth = unknown()._replace(risks=torch.zeros(1, 2, 3))
        with pytest.raises(ShapeError, match=r"truth \(1, 2, 3\)"):
            TASK.losses(output(*leaves()), truth)


class TestFindings:
    def test_are_probabilities_and_values_in_units(self) -> None:
        maxima = torch.tensor([[[1.5, -1.0], [2.0, -4.0]]])
        forecast = TASK.decode(torch.tensor([[-log(3.0), 0.0]]), maxima, [36.0])
        found = TASK.findings(forecast, made_by=MAKER)
        risks = [item for item in found if isinstance(item, Risk)]
        labs = [item for item in found if isinstance(item, Forecast)]
        assert [(item.at_h, item.horizon_h) for item in risks] == [(36.0, 24.0), (36.0, 48.0)]
        assert [item.probability for item in risks] == pytest.approx([0.25, 0.5])
        assert risks[0].code == AKI
        # 100 + 20 * 1.5 and 6 - 2 * 1; at 48 h 100 + 20 * 2, and no urea below 0.
        assert [(item.lab, item.horizon_h, item.value, item.unit) for item in labs] == [
            ("creatinine", 24.0, 130.0, "umol/L"),
            ("urea", 24.0, 4.0, "mmol/L"),
            ("creatinine", 48.0, 140.0, "umol/L"),
            ("urea", 48.0, 0.0, "mmol/L"),
        ]
        assert (risks[0].id, labs[0].id) == ("aki/risk/36h+24h", "aki/creatinine/36h+24h")

    def test_of_many_steps_have_ids_of_their_own(self) -> None:
        forecast = TASK.decode(torch.zeros(3, 2), torch.zeros(3, 2, 2), [0.0, 0.25, 123456.5])
        found = TASK.findings(forecast, made_by=MAKER, source="record")
        assert len(found) == 3 * (2 + 4)
        FindingsRecord(study="stay", findings=found)
        assert found[-1].id == "aki/record/urea/123456.5h+48h"

    def test_are_risks_alone_without_labs(self) -> None:
        found = RISKS_ALONE.findings(RISKS_ALONE.decode(torch.zeros(1, 2), None, [6.0]), made_by=MAKER)
        assert [item.kind for item in found] == ["risk", "risk"]

    def test_keep_probabilities_of_surest_logits_apart_from_nonsense(self) -> None:
        forecast = RISKS_ALONE.decode(torch.tensor([[-200.0, 200.0]]), None, [6.0])
        assert forecast.probs.tolist()[0] == pytest.approx([exp(-200.0), 1.0], rel=1e-9)

    def test_steps_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(ShapeError, match=r"Risks must be \(2, 2\).*found \(1, 2\)"):
            TASK.decode(torch.zeros(1, 2), torch.zeros(1, 2, 2), [6.0, 12.0])


class TestTask:
    @pytest.mark.parametrize("horizons_h", [(), (0.0, 6.0), (12.0, 6.0), (6.0, 6.0)])
    def test_horizons_that_do_not_ascend_are_refused(self, horizons_h: tuple[float, ...]) -> None:
        with pytest.raises(SettingsError, match="Horizons must ascend"):
            KidneyTask(horizons_h)

    def test_labs_of_one_name_are_refused(self) -> None:
        with pytest.raises(SettingsError, match="Names of labs must differ"):
            KidneyTask((6.0,), (UREA, UREA))
