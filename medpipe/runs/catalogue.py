"""The stages by name; a stage's module is imported when a pipeline uses it."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.core.settings import nearest
from medpipe.runs.stage import Stage

STAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "load": "medpipe.runs.stages.load:Load",
        "locate": "medpipe.runs.stages.locate:Locate",
        "augment": "medpipe.runs.stages.augment:Augment",
        "measure": "medpipe.runs.stages.measure:Measure",
        "classify": "medpipe.runs.stages.classify:Classify",
        "segment": "medpipe.runs.stages.segment:Segment",
        "aki": "medpipe.runs.stages.aki:Aki",
        "report": "medpipe.runs.stages.report:Report",
    }
)


def stage_reference(name: str, *, place: str, catalogue: Mapping[str, str] = STAGES) -> str:
    """Return the ``module:Class`` of a stage.

    Raises:
        SettingsError: There is no stage of that name; ``place`` says where it was asked for.
    """
    if name not in catalogue:
        raise SettingsError(Code.E_SETTINGS, f"{place}: unknown stage {name!r}", fix=nearest(name, catalogue))
    return catalogue[name]


def stage_class(reference: str) -> type[Stage]:
    """Import a stage class from its ``module:Class``."""
    module, _, name = reference.partition(":")
    found: type[Stage] = getattr(import_module(module), name)
    return found
