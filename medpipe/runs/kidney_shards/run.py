"""The function behind ``medpipe aki``: health records to risks, tables and pages."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from medpipe.core.settings import SettingsFile, read_settings
from medpipe.runs.folder.book import Progress
from medpipe.runs.identity import ID_DIGITS, Identity, Names, load_key
from medpipe.runs.options import RunOptions
from medpipe.runs.pipeline import Pipeline, build_pipeline, find_pipeline
from medpipe.runs.runner import run
from medpipe.runs.summary import RunSummary

PIPELINE: Final = "aki"
_HASHED: Final = re.compile(rf"pt-[0-9a-f]{{{ID_DIGITS}}}")


def aki_pipeline(params: Mapping[str, Any]) -> Pipeline:
    """Return the pipeline ``aki`` with other parameters of its stage.

    Args:
        params: By name; None leaves what the pipeline states.

    Raises:
        SettingsError: A parameter is wrong, or the package does something else.
        NoInputError: There is no package in the folder that is named.
    """
    settings = read_settings(find_pipeline(PIPELINE))
    given = {name: value for name, value in params.items() if value is not None}
    stages = [{**stage, **given} if stage["use"] == PIPELINE else stage for stage in settings.data["stages"]]
    return build_pipeline(SettingsFile("medpipe aki", {**settings.data, "stages": stages}, {}))


def aki(
    records: str | Path,
    output: str | Path,
    *,
    package: str = "aki-icu",
    patients: Sequence[str] = (),
    options: RunOptions | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> RunSummary:
    """Forecast kidney injury for every patient of health records; the same call again goes on.

    Args:
        records: MEDS, YAIB, MIMIC-III, PhysioNet 2012 or a long CSV.
        output: Run folder.
        package: Model package: a name, or a folder.
        patients: Ids of patients who get a trajectory and a page in any case, as the records or the run
            write them.
        options: How to work; in this process unless said otherwise.
        progress: Called as the work goes on.
        **params: Further parameters of the stage ``aki``.

    Returns:
        Where the run stands at the end; its units are shards of patients.

    Raises:
        NoInputError: There are no records, or no package.
        SettingsError: Records, package or options are wrong, or the folder belongs to another run.
        MachineError: The disk is full, or the device is absent.
    """
    options = options or RunOptions(workers=0)
    pipeline = aki_pipeline({**params, "package": package, "patients": run_names(patients, options)})
    return run(pipeline, [records], output, options=options, progress=progress)


def run_names(patients: Sequence[str], options: RunOptions) -> list[str]:
    """Return patients as a run names them: an identifier of the records goes no further than here."""
    if not patients:
        return []
    identity = Identity(load_key(options.key), options.names)
    is_hashed = options.names is Names.HASHED
    return [name if is_hashed and _HASHED.fullmatch(name) else identity.record_id(name) for name in patients]
