"""The AKI network under the contract of all networks, and what is special: order, parts and padding."""

from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from medpipe.core.errors import SettingsError, ShapeError
from medpipe.core.findings import CodedConcept
from medpipe.core.forecast_labs import ForecastLab
from medpipe.core.stay_batch import StayBatch, StayTruth
from medpipe.models.aki_rnn.model import AkiOutput, AkiRnn
from medpipe.models.aki_rnn.recurrence import CELLS
from medpipe.models.registry import build_network, count_parameters
from medpipe.tasks.kidney import KidneyTask

from .conftest import NUM_CODES, build, only_stay, random_stays, with_other_end

LENGTHS = [5, 1, 9, 3]
VARIANTS: dict[str, dict[str, Any]] = {
    **{cell: {"cell": cell} for cell in CELLS},
    "no-labs": {"num_labs": 0},
    "no-codes": {"codes": False},
    "deep": {"layers": 4, "highway_layers": 3},
    "flat": {"layers": 1, "highway_layers": 0, "num_horizons": 1},
}
TASK = KidneyTask(
    (6.0, 12.0, 24.0, 48.0),
    tuple(
        ForecastLab(name=name, code=CodedConcept(scheme="99MEDPIPE", value=name, meaning=name), unit="umol/L")
        for name in ("creatinine", "urea")
    ),
)


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def variant(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.fixture
def network(variant: dict[str, Any]) -> AkiRnn:
    return build(**variant).eval()


@pytest.fixture
def batch(variant: dict[str, Any]) -> StayBatch:
    return random_stays(LENGTHS, codes=variant.get("codes", True))


def numbers(output: AkiOutput) -> list[Tensor]:
    """Return what is forecast, horizons last but one."""
    return [output.risk_logits[..., None], *([] if output.lab_maxima is None else [output.lab_maxima])]


class TestContract:
    def test_a_forecast_for_every_step_and_horizon(
        self, network: AkiRnn, batch: StayBatch, variant: dict[str, Any]
    ) -> None:
        output = network(batch)
        horizons = variant.get("num_horizons", 4)
        assert output.risk_logits.shape == (4, 9, horizons)
        if variant.get("num_labs") == 0:
            assert output.lab_maxima is None
        else:
            assert output.lab_maxima.shape == (4, 9, horizons, 2)
        assert all(item.isfinite().all() for item in numbers(output))

    def test_gradient_reaches_every_parameter(self, network: AkiRnn, batch: StayBatch) -> None:
        real = torch.arange(9) < batch.lengths[:, None]
        sum(item[real].square().mean() for item in numbers(network(batch))).backward()  # type: ignore[union-attr]
        idle = [
            name
            for name, item in network.named_parameters()
            if item.grad is None or item.grad.abs().max() < 1e-8
        ]
        assert idle == []

    def test_evaluation_is_deterministic_and_survives_its_state(
        self, network: AkiRnn, batch: StayBatch, variant: dict[str, Any]
    ) -> None:
        other = build(**variant).eval()
        for parameter in other.parameters():
            parameter.data += 1.0
        other.load_state_dict(network.state_dict())
        assert_close(network(batch), other(batch), rtol=0, atol=0)

    def test_same_seed_gives_the_same_weights(self, network: AkiRnn, variant: dict[str, Any]) -> None:
        again = build(**variant).state_dict()
        assert all(torch.equal(item, again[name]) for name, item in network.state_dict().items())

    def test_bfloat16_gives_nearly_the_same_forecasts(self, network: AkiRnn, batch: StayBatch) -> None:
        with torch.inference_mode():
            expected = network(batch).risk_logits
            with torch.autocast("cpu", torch.bfloat16):
                cast = network(batch).risk_logits
            half = network.to(torch.bfloat16)(batch).risk_logits
        for found in (cast, half):
            assert found.dtype == torch.float32
            assert float((found - expected).abs().mean()) < 0.05 * float(expected.std() + 0.1)

    def test_dropout_acts_in_training_only(self, batch: StayBatch, variant: dict[str, Any]) -> None:
        dropping, whole = build(**variant, dropout=0.5), build(**variant).eval()
        assert not torch.equal(dropping(batch).risk_logits, whole(batch).risk_logits)
        assert torch.equal(dropping.eval()(batch).risk_logits, whole(batch).risk_logits)

    def test_parameters_are_as_many_as_counted_by_hand(self) -> None:
        network = build(
            codes=False, num_variables=2, num_statics=1, embedding=3, hidden=4, num_horizons=2, num_labs=1
        )
        # Three sets of a matrix of 6, a highway of 24 and a linear layer of 12; SRUs on 10 and on 4 features
        # (16 columns and 8 biases each); two heads of 8 weights and a bias for each of 2 horizons.
        assert count_parameters(network) == 3 * 42 + (168 + 72) + 2 * 18


class TestOrder:
    @pytest.mark.parametrize("cell", CELLS)
    @given(after=st.integers(0, 8), seed=st.integers(1, 1000))
    def test_no_step_looks_ahead(self, cell: str, after: int, seed: int) -> None:
        network, batch = build(cell).eval(), random_stays([9, 9, 9])
        changed = with_other_end(batch, after, seed)
        with torch.inference_mode():
            before, later = network(batch), network(changed)
        for ours, theirs in zip(numbers(before), numbers(later), strict=True):
            assert torch.equal(ours[:, : after + 1], theirs[:, : after + 1])
            assert after == 8 or not torch.equal(ours[:, after + 1 :], theirs[:, after + 1 :])

    def test_every_step_looks_back_to_the_first(self, network: AkiRnn, batch: StayBatch) -> None:
        values = batch.values.clone()
        presence = batch.presence.clone()
        presence[2, 0], values[2, 0] = True, 3.0
        ours = network(batch).risk_logits[2]
        theirs = network(batch._replace(values=values, presence=presence)).risk_logits[2]
        assert (ours != theirs).any(dim=-1).all()

    def test_forecasts_never_fall_with_the_horizon(self, network: AkiRnn, batch: StayBatch) -> None:
        for parameter in network.parameters():
            parameter.data *= 4
        for item in numbers(network(batch)):
            assert (item.diff(dim=2) >= 0).all()


class TestPadding:
    def test_a_stay_does_not_depend_on_its_batch(self, network: AkiRnn, batch: StayBatch) -> None:
        together = network(batch)
        for index, length in enumerate(LENGTHS):
            alone = network(only_stay(batch, index))
            for ours, theirs in zip(numbers(alone), numbers(together), strict=True):
                assert_close(ours[0], theirs[index, :length], rtol=0, atol=1e-5)
            assert_close(alone.state[:, 0], together.state[:, index], rtol=0, atol=1e-5)

    def test_what_stands_past_the_end_changes_nothing_not_even_gradients(
        self, network: AkiRnn, batch: StayBatch
    ) -> None:
        real = torch.arange(9) < batch.lengths[:, None]
        spoiled = batch._replace(
            presence=batch.presence.float().masked_fill(~real[..., None], nan),
            values=batch.values.masked_fill(~real[..., None], nan),
            time_since_h=batch.time_since_h.masked_fill(~real[..., None], nan),
            extremes=None if batch.extremes is None else batch.extremes.masked_fill(~real[..., None], inf),
        )
        logits = network(spoiled).risk_logits[real]
        assert torch.equal(logits, network(batch).risk_logits[real])
        logits.sum().backward()
        assert all(item.grad is None or item.grad.isfinite().all() for item in network.parameters())


class TestParts:
    @pytest.mark.parametrize("cell", CELLS)
    @given(cuts=st.sets(st.integers(1, 8)))
    def test_parts_that_hand_the_state_on_are_one_pass(self, cell: str, cuts: set[int]) -> None:
        network, batch = build(cell).eval(), random_stays(LENGTHS)
        real = torch.arange(9) < batch.lengths[:, None]
        state, parts = None, []
        with torch.inference_mode():
            whole = network(batch)
            for start, stop in pairwise([0, *sorted(cuts), 9]):
                output = network(batch.steps(start, stop), state)
                state = output.state
                parts.append(numbers(output))
        for ours, theirs in zip(zip(*parts, strict=True), numbers(whole), strict=True):
            assert_close(torch.cat(ours, dim=1)[real], theirs[real], rtol=0, atol=1e-5)
        assert_close(state, whole.state, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("cell", CELLS)
    def test_a_detached_state_ends_the_way_back(self, cell: str) -> None:
        network, batch = build(cell), random_stays([6, 6])
        state = network(batch.steps(0, 3)).state
        assert state.requires_grad
        kept = state.detach().requires_grad_()
        network(batch.steps(3, 6), kept).risk_logits.sum().backward()
        assert kept.grad is not None
        assert kept.grad.any()


@pytest.mark.parametrize("variant", [*({"cell": cell} for cell in CELLS), {"codes": False}], indirect=True)
@pytest.mark.parametrize("learned", [False, True])
def test_overfits_four_stays(variant: dict[str, Any], learned: bool) -> None:
    network = build(**variant, embedding=16, hidden=24)
    batch = random_stays(LENGTHS, codes=variant.get("codes", True))
    truth = random_truth(batch)
    weights = TASK.loss_weights(learned=learned)
    optimiser = torch.optim.Adam([*network.parameters(), *weights.parameters()], lr=1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        TASK.loss(network(batch), truth, weights).backward()
        optimiser.step()
    with torch.inference_mode():
        output = network.eval()(batch)
    known = truth.risks.isfinite()
    assert torch.equal(output.risk_logits[known] > 0, truth.risks[known] > 0.5)
    assert output.lab_maxima is not None
    known = truth.lab_maxima.isfinite()
    assert float((output.lab_maxima[known] - truth.lab_maxima[known]).abs().mean()) < 0.2


def random_truth(batch: StayBatch) -> StayTruth:
    """Return truths that rise with the horizon, and are unknown past the end of a stay."""
    generator = torch.Generator().manual_seed(5)
    num_stays, num_steps = batch.presence.shape[:2]
    past = torch.arange(num_steps) >= batch.lengths[:, None]
    first = torch.randint(0, 5, (num_stays, num_steps, 1), generator=generator)
    risks = (torch.arange(4) >= first).float()
    maxima = torch.randn(num_stays, num_steps, 4, 2, generator=generator).cummax(dim=2).values
    return StayTruth(risks.masked_fill(past[..., None], nan), maxima.masked_fill(past[..., None, None], nan))


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"presence": torch.zeros(2, 4, 6)}, r"Presence must be \(B, T, 5\).*found \(2, 4, 6\)"),
            ({"presence": torch.zeros(2, 0, 5)}, r"one step at least: found \(2, 0, 5\)"),
            ({"values": torch.zeros(2, 3, 5)}, r"Values must be \(2, 4, 5\): found \(2, 3, 5\)"),
            ({"time_since_h": torch.zeros(2, 4)}, r"Hours since must be \(2, 4, 5\)"),
            ({"statics": torch.zeros(2, 3)}, r"Statics must be \(2, 2\): found \(2, 3\)"),
            ({"lengths": torch.tensor([4])}, r"Lengths must be \(2,\)"),
            ({"lengths": torch.tensor([4, 5])}, r"Lengths must be 0 to 4: found \[4, 5\]"),
            ({"extremes": torch.zeros(2, 4, 2)}, r"Extremes must be \(2, 4, 3\)"),
            ({"extremes": None}, "built with extremes: found a batch without them"),
            ({"code_counts": None}, "built with codes: found a batch without them"),
            ({"codes": torch.zeros(1, dtype=torch.long)}, r"as many as their counts say: found \(1,\)"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(ShapeError, match=message):
            build()(random_stays([4, 4])._replace(**change))

    def test_codes_beyond_the_vocabulary_are_refused(self) -> None:
        batch = random_stays([4, 4])
        assert batch.codes is not None
        codes = torch.cat((batch.codes[1:], torch.tensor([NUM_CODES])))
        with pytest.raises(ShapeError, match=f"Codes must be 0 to 6: found 0 to {NUM_CODES}"):
            build()(batch._replace(codes=codes))

    def test_inputs_that_were_not_asked_for_are_refused(self) -> None:
        with pytest.raises(ShapeError, match="built without extremes: found a batch with them"):
            build(codes=False)(random_stays([4, 4]))

    @pytest.mark.parametrize(
        ("argument", "value", "message"),
        [
            ("num_variables", 0, "num_variables of the AKI network must be 1 or more: found 0"),
            ("num_labs", -1, "num_labs of the AKI network must be 0 or more: found -1"),
            ("dropout", 1.0, r"dropout of the AKI network must be in \[0, 1\): found 1.0"),
            ("cell", "rnn", "'cell' is not valid"),
        ],
    )
    def test_arguments_out_of_range_are_refused(self, argument: str, value: object, message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            build_network("aki-rnn", {"num_variables": 3, argument: value})
