"""medpipe: medical images and health records, from raw bytes to findings and reports.

The functions that the shell's commands call, imported when they are first used::

    import medpipe

    volume = medpipe.load("scan/")
    record = medpipe.measure("scan/")
    summary = medpipe.run("measure", ["scans/"], "out/")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medpipe.io.tree import index_tree as index
    from medpipe.runs.cohort import render
    from medpipe.runs.kidney_shards.run import aki
    from medpipe.runs.options import RunOptions
    from medpipe.runs.runner import plan, retry, run
    from medpipe.runs.single import load, measure, report
    from medpipe.runs.summary import status
    from medpipe.runs.validate import validate
    from medpipe.simulate.sample import write_sample as sample

__all__ = [
    "RunOptions",
    "aki",
    "index",
    "load",
    "measure",
    "plan",
    "render",
    "report",
    "retry",
    "run",
    "sample",
    "status",
    "validate",
]

_HOMES = {
    "RunOptions": "medpipe.runs.options:RunOptions",
    "aki": "medpipe.runs.kidney_shards.run:aki",
    "index": "medpipe.io.tree:index_tree",
    "load": "medpipe.runs.single:load",
    "measure": "medpipe.runs.single:measure",
    "plan": "medpipe.runs.runner:plan",
    "render": "medpipe.runs.cohort:render",
    "report": "medpipe.runs.single:report",
    "retry": "medpipe.runs.runner:retry",
    "run": "medpipe.runs.runner:run",
    "sample": "medpipe.simulate.sample:write_sample",
    "status": "medpipe.runs.summary:status",
    "validate": "medpipe.runs.validate:validate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medpipe' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
