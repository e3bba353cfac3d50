"""The stage contract: what a class must offer to stand in a pipeline."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict

from medpipe.core.case import Case
from medpipe.core.findings import Maker
from medpipe.runs.unit import Unit


class Resource(StrEnum):
    """What a stage spends its time on; a worker overlaps stages of different kinds."""

    IO = "io"
    CPU = "cpu"
    GPU = "gpu"


class Good(StrEnum):
    """What flows between stages."""

    VOLUME = "volume"
    SLICES = "slices"
    PLANAR = "planar"
    RECORDS = "records"
    MASKS = "masks"
    FINDINGS = "findings"
    FIGURES = "figures"
    TABLES = "tables"
    VIEWS = "views"


IMAGES: Final = frozenset({Good.VOLUME, Good.SLICES, Good.PLANAR})
"""Goods that a pipeline carries only where its ``accepts`` names their form."""

INPUTS: Final = IMAGES | {Good.RECORDS}
"""Goods of which a stage names the alternatives that it can work on."""


REQUESTS: Final = frozenset({Good.VIEWS})
"""Goods that are nothing by themselves: a stage after the one that gives them must answer them."""

UNSAVED: Final = INPUTS | REQUESTS
"""Goods that study folders do not keep: stages that give them run again on resume."""


class Params(BaseModel):
    """Base of a stage's parameters: flat, typed, each with a description.

    The fields are the keys of a pipeline file, the options of the stage's shell command and its
    documentation at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class StageContext:
    """What a stage may use besides the case.

    Attributes:
        device: ``"cpu"`` or ``"cuda:N"``.
        seed: Seed of this unit, derived from the run's seed and the unit's id.
        scratch: Folder for temporary files, removed after the unit; only the runner publishes.
        unit: The unit of work: its inputs by role.
    """

    device: str
    seed: int
    scratch: Path
    unit: Unit


class Stage(ABC):
    """One step of a pipeline.

    A subclass sets the class variables, keeps heavy imports inside ``open`` and holds no state of a
    case. ``__call__`` returns a new case and changes nothing of the old one.

    Attributes:
        name: As pipeline files and the shell say it.
        version: Raised whenever results change; part of the stage key.
        resource: What it spends its time on. ``IO`` stages stand first.
        takes: Inputs it can work on (the pipeline may carry any subset), and other goods it needs.
        gives: Goods it adds.
        answers: Requests that it carries out where a stage before it makes them.
        of_slices: Works slice by slice, so that uneven series are as good to it as even ones.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    resource: ClassVar[Resource]
    takes: ClassVar[frozenset[Good]]
    gives: ClassVar[frozenset[Good]]
    answers: ClassVar[frozenset[Good]] = frozenset()
    of_slices: ClassVar[bool] = False
    params_type: ClassVar[type[Params]] = Params

    @classmethod
    def assets(cls, params: "Params") -> dict[str, str]:
        """Return digests of what the parameters name outside of themselves, such as a model package.

        They belong to the stage key and stand in ``run.json``.
        """
        return {}

    def open(self, device: str) -> None:  # noqa: B027  # optional hook
        """Import libraries and load models, once a worker."""

    @abstractmethod
    def __call__(self, case: Case, context: StageContext) -> Case:
        """Return the case with what this stage adds.

        Raises:
            RefusedError: The data is at fault; the study is refused.
            StageError: The work failed; it may be retried.
        """

    def document(self, case: Case, folder: Path, context: StageContext) -> None:  # noqa: B027  # optional hook
        """Add documents to the study folder, which is complete but not yet published."""

    @property
    def maker(self) -> Maker:
        """Name and version for the findings of this stage."""
        return Maker(name=self.name, version=self.version)
