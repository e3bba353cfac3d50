"""Pages of a run: the cohort page from the states, and study pages built again without torch."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from medpipe.io.study_folder import REPORT, StudyFolder
from medpipe.reports.cohort import CohortPage, CohortRow, KeyValue, write_cohort
from medpipe.reports.label_strips import LabelValue
from medpipe.reports.study import render_study
from medpipe.runs.folder.run_folder import RunFolder, RunListing
from medpipe.runs.folder.state import UnitState
from medpipe.runs.kidney_shards.pages import STAYS_PAGE, write_stay_pages, write_stays_page
from medpipe.runs.kidney_shards.totals import read_totals
from medpipe.runs.plan import UnitKind
from medpipe.runs.summary import RunSummary, summarise

_REASON_DETAIL: Final = ": "


def write_cohort_pages(folder: RunFolder, states: Iterable[UnitState], listing: RunListing) -> Path:
    """Write ``index.html`` and its further pages, and that of the stays of shards; return the first."""
    record = folder.read_record()
    facts = {
        "medpipe": record.medpipe,
        "device": record.device,
        "started": record.started,
        "host": record.host,
        "seed": str(record.seed),
        **record.libraries,
    }
    page = CohortPage(
        run=folder.path.absolute().name,
        pipeline=str(record.pipeline["name"]),
        skipped=Counter(reason.split(_REASON_DETAIL)[0] for _, reason in listing.skipped),
        facts=facts,
        units=(listing.kind.value, listing.kind.plural),
        inside=None if listing.kind is UnitKind.STUDY else ("All stays", STAYS_PAGE),
    )
    if (totals := read_totals(folder.studies)) is not None:
        write_stays_page(folder.path, folder.studies, totals, facts)
    return write_cohort([_row(folder, state) for state in states], page, folder.path)[0]


def render(output: str | Path) -> RunSummary:
    """Build the documents of a run again from its study folders, without torch.

    Args:
        output: Run folder.

    Raises:
        SettingsError: The folder holds no run.
        RefusedError: A study folder is damaged; names it.
    """
    folder = RunFolder(Path(output))
    folder.read_record()
    summary = summarise(folder)
    for unit_id in summary.states:
        study = folder.studies / unit_id
        if study.is_dir() and summary.kind is UnitKind.SHARD:
            write_stay_pages(study)
        elif study.is_dir():
            render_study(study, formats=_formats(study))
    write_cohort_pages(folder, summary.states.values(), folder.read_listing())
    return summary


def _row(folder: RunFolder, state: UnitState) -> CohortRow:
    report = folder.studies / state.id / REPORT
    return CohortRow(
        study=state.id,
        state=state.state.value,
        reasons=tuple((reason.code.value, reason.message) for reason in state.reasons),
        modality=state.modality,
        form=state.form,
        num_images=state.num_images,
        values=tuple(KeyValue(item.name, item.value, item.unit) for item in state.values),
        labels=tuple(LabelValue(item.name, item.probability, item.threshold) for item in state.labels),
        report=str(report.relative_to(folder.path)) if report.is_file() else "",
        label=state.label,
    )


def _formats(study: Path) -> tuple[str, ...]:
    """Return the formats that the study's own report stage was asked for."""
    for record in StudyFolder(study).provenance.stages:
        if record.stage == "report":
            return tuple(record.params.get("formats", ("html", "json")))
    return ("html", "json")
