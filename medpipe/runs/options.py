"""How a run works, as a person may choose it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medpipe.runs.identity import Names
from medpipe.runs.plan import WHOLE, Shard


@dataclass(frozen=True)
class RunOptions:
    """How a run works; none of it changes results but ``seed``, ``key``, ``names`` and what makes a unit.

    Attributes:
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        workers: Worker processes; None for one a GPU or one a core; 0 for this process.
        seed: Seed of everything random.
        time_limit_s: Longest time for one study; None for no limit. Needs workers.
        max_attempts: How often a failing study is begun in one run.
        durable: Whether results survive a power cut (fsync).
        update: Whether to bring studies of a changed pipeline up to date.
        shard: Part of the units that this process works on.
        names: How studies are named.
        key: Key file; None for the user's own key.
        group_by: ``"study"`` or ``"folder"``.
        shard_patients: Patients a shard of health records.
    """

    device: str = "auto"
    workers: int | None = None
    seed: int = 0
    time_limit_s: float | None = None
    max_attempts: int = 2
    durable: bool = False
    update: bool = False
    shard: Shard = WHOLE
    names: Names = Names.HASHED
    key: Path | None = None
    group_by: Literal["study", "folder"] = "study"
    shard_patients: int = 1000
