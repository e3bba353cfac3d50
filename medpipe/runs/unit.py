"""A unit of work: one study, or one shard of patient records."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from medpipe.core.errors import RefusedError
from medpipe.core.source import GeometryNote
from medpipe.io.atomic import ASIDE_PREFIX
from medpipe.io.series import Form, Series

_SCRATCH: Final = re.compile(rf"{re.escape(ASIDE_PREFIX)}(.+)|(.+)\.[0-9a-f]{{8}}")


@dataclass(frozen=True)
class Input:
    """One image of a study, chosen for a role of the pipeline.

    Attributes:
        series: What to read.
        forms: Values it may be read into, best first.
        modality: Assumed where the file states none; empty to leave it open.
    """

    series: Series
    forms: tuple[Form, ...]
    modality: str = ""


@dataclass(frozen=True)
class Unit:
    """What the runner hands to a worker.

    Attributes:
        id: Study id or shard id: a keyed hash that is safe as a file name.
        label: First relative path, for people.
        inputs: Images by role; empty for record shards.
        files: Absolute paths of a record shard; empty for studies.
        notes: What was decided while choosing, such as series set aside.
        refusal: Why no work is possible, where that is known already.
        fingerprint: Hash over names, sizes and times of the files: whether the input changed.
        number: Place of a record shard among all of the run, from 0; None for studies.
    """

    id: str
    label: str
    inputs: Mapping[str, Input] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    notes: tuple[GeometryNote, ...] = ()
    refusal: RefusedError | None = None
    fingerprint: str = ""
    number: int | None = None


def scratch_name(unit_id: str) -> str:
    """Return a fresh name for the folder of a unit's temporary files."""
    return f"{unit_id}.{uuid4().hex[:8]}"


def unit_of_scratch(name: str) -> str:
    """Return the unit whose temporary files a folder holds; empty where its files are to stay."""
    found = _SCRATCH.fullmatch(name)
    return next(filter(None, found.groups())) if found else ""
