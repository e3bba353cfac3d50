"""Builders of stays for the tests of the AKI network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from medpipe.core.stay_batch import StayBatch
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.models.registry import build_network

NUM_VARIABLES, NUM_EXTREMES, NUM_STATICS, NUM_CODES = 5, 3, 2, 7


def random_stays(lengths: Sequence[int], *, seed: int = 0, codes: bool = True) -> StayBatch:
    """Return stays of all kinds of inputs; extremes and codes may be left out."""
    generator = torch.Generator().manual_seed(seed)
    num_stays, num_steps = len(lengths), max(lengths)
    grid = (num_stays, num_steps, NUM_VARIABLES)
    present = torch.rand(grid, generator=generator) < 0.4
    since_h = torch.randint(1, 60, grid, generator=generator).float()
    since_h[torch.rand(grid, generator=generator) < 0.2] = torch.inf
    is_real = torch.arange(num_steps) < torch.tensor(lengths)[:, None]
    counts = torch.randint(0, 4, (num_stays, num_steps), generator=generator) * is_real
    return StayBatch(
        presence=present,
        values=torch.randn(grid, generator=generator) * present,
        time_since_h=since_h.masked_fill(present, 0.0),
        statics=torch.randn(num_stays, NUM_STATICS, generator=generator),
        lengths=torch.tensor(lengths),
        extremes=torch.randn(num_stays, num_steps, NUM_EXTREMES, generator=generator) if codes else None,
        codes=torch.randint(0, NUM_CODES, (int(counts.sum()),), generator=generator) if codes else None,
        code_counts=counts if codes else None,
    )


def codes_by_step(batch: StayBatch) -> list[list[Tensor]]:
    """Return the codes of each step of each stay."""
    assert batch.codes is not None
    assert batch.code_counts is not None
    parts = iter(batch.codes.split(batch.code_counts.flatten().tolist()))
    return [[next(parts) for _ in counts] for counts in batch.code_counts]


def only_stay(batch: StayBatch, index: int) -> StayBatch:
    """Return one stay of a batch, without padding."""
    length = int(batch.lengths[index])
    chosen = batch._replace(codes=None, code_counts=None)
    rows = [None if item is None else item[index : index + 1] for item in chosen]
    alone = StayBatch(*rows)  # type: ignore[arg-type]  # what must be there is
    if batch.codes is not None and batch.code_counts is not None:
        codes = torch.cat(codes_by_step(batch)[index])
        alone = alone._replace(codes=codes, code_counts=batch.code_counts[index : index + 1])
    return alone.steps(0, length)


def with_other_end(batch: StayBatch, after: int, seed: int) -> StayBatch:
    """Return a batch in which everything after a step is another, and all up to it is the same."""
    other = random_stays(batch.lengths.tolist(), seed=seed, codes=batch.codes is not None)
    head = after + 1

    def spliced(ours: Tensor, theirs: Tensor) -> Tensor:
        return torch.cat((ours[:, :head], theirs[:, head:]), dim=1)

    mixed = batch._replace(
        presence=spliced(batch.presence, other.presence),
        values=spliced(batch.values, other.values),
        time_since_h=spliced(batch.time_since_h, other.time_since_h),
    )
    if batch.extremes is None or batch.code_counts is None:
        return mixed
    assert other.extremes is not None
    assert other.code_counts is not None
    pairs = zip(codes_by_step(batch), codes_by_step(other), strict=True)
    codes = [part for ours, theirs in pairs for part in (*ours[:head], *theirs[head:])]
    return mixed._replace(
        extremes=spliced(batch.extremes, other.extremes),
        codes=torch.cat(codes),
        code_counts=spliced(batch.code_counts, other.code_counts),
    )


def build(cell: str = "sru", *, codes: bool = True, **arguments: object) -> AkiRnn:
    """Return a small network for such stays."""
    torch.manual_seed(3)
    optional = {"num_extremes": NUM_EXTREMES, "num_codes": NUM_CODES} if codes else {}
    small = {"num_horizons": 4, "num_labs": 2, "embedding": 6, "highway_layers": 1, "hidden": 5, "layers": 2}
    network = build_network(
        "aki-rnn",
        {
            "num_variables": NUM_VARIABLES,
            "num_statics": NUM_STATICS,
            "cell": cell,
            **optional,
            **small,
            **arguments,
        },
    )
    assert isinstance(network, AkiRnn)
    return network
