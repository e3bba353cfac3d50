"""Where a run stands: every unit and its state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medpipe.runs.folder.lease import is_held
from medpipe.runs.folder.ledger import read_states
from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.folder.state import State, UnitState, count_states
from medpipe.runs.plan import UnitKind


@dataclass(frozen=True)
class RunSummary:
    """Where a run stands.

    Attributes:
        folder: The run folder.
        counts: Units by state; they add up to the units.
        num_files: Files that were indexed.
        num_skipped: Files that are no images.
        states: State of each unit by id.
        num_patients: Patients of all shards; None where units are studies.
        kind: What the units are.
    """

    folder: Path
    counts: Mapping[State, int]
    num_files: int
    num_skipped: int
    states: Mapping[str, UnitState] = field(default_factory=dict)
    num_patients: int | None = None
    kind: UnitKind = UnitKind.STUDY

    @property
    def num_units(self) -> int:
        """Number of units."""
        return sum(self.counts.values())

    @property
    def index_page(self) -> Path:
        """The cohort page."""
        return self.folder / "index.html"


def summarise(folder: RunFolder) -> RunSummary:
    """Say where a run stands; units that nobody works on any more count as pending."""
    listing = folder.read_listing()
    states = read_states(folder.path, folder.states)
    merged = {}
    for unit in listing.units:
        state = states.get(unit.id, UnitState(id=unit.id, label=unit.label))
        if state.state is State.RUNNING and not is_held(folder.path / "state", unit.id):
            state = state.model_copy(update={"state": State.PENDING})
        merged[unit.id] = state
    return RunSummary(
        folder.path,
        count_states(merged.values()),
        listing.num_files,
        len(listing.skipped),
        merged,
        listing.num_patients,
        listing.kind,
    )


def status(output: str | Path) -> RunSummary:
    """Say where the run in a folder stands.

    Args:
        output: Run folder.

    Raises:
        SettingsError: The folder holds no run.
    """
    folder = RunFolder(Path(output))
    folder.read_record()
    return summarise(folder)
