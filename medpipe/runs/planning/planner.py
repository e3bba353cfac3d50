"""Planning: what a person named becomes units of work."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from medpipe.runs.folder.run_folder import RunFolder
from medpipe.runs.plan import Plan


class Planner(ABC):
    """Makes the units of a run out of inputs of one kind."""

    @property
    @abstractmethod
    def inputs(self) -> tuple[Path, ...]:
        """Absolute paths, as the run's record keeps them."""

    @abstractmethod
    def join(self, folder: RunFolder, older: Sequence[Path]) -> None:
        """Take the inputs of the run's earlier calls in.

        Raises:
            SettingsError: They do not go together (``E_OUTPUT``).
        """

    @abstractmethod
    def check(self) -> None:
        """Read what tells whether the inputs can be used, before a run folder is made for them.

        Raises:
            NoInputError: There is nothing of this kind.
        """

    @abstractmethod
    def preview(self) -> Plan:
        """Return what a run would work on; writes nothing."""

    @abstractmethod
    def plan(self, folder: RunFolder) -> Plan:
        """Return the units, after what they need is in the run folder, the table of their names too."""
