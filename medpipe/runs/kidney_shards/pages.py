"""Pages of a run over health records, drawn from its files, without torch."""

from pathlib import Path
from typing import Final

from medpipe.io.fhir.risk_assessment import write_risk_bundle
from medpipe.io.records.trajectories import read_trajectory
from medpipe.reports.kidney_cohort import (
    KidneyCohort,
    KidneyStay,
    RefusedPatient,
    write_kidney_cohort_page,
)
from medpipe.reports.trajectory import write_trajectory_page
from medpipe.runs.kidney_shards.counts import LEFT_OUT
from medpipe.runs.kidney_shards.totals import KidneyTotals, read_stays
from medpipe.runs.kidney_shards.trajectories import FOLDER, file_name

FHIR: Final = "fhir"

STAYS_PAGE: Final = "stays.html"
"""Every stay of the run, its risk and its alerts; beside the page of the shards."""


def write_stay_pages(shard: Path, *, fhir: bool = False) -> None:
    """Draw the page of each trajectory of a shard beside it.

    Args:
        shard: Its folder.
        fhir: Whether FHIR resources are written too, in a folder ``fhir`` beside the pages.
    """
    for path in sorted((shard / FOLDER).glob("*.json")):
        trajectory = read_trajectory(path)
        write_trajectory_page(trajectory, path.with_suffix(".html"))
        if fhir:
            folder = path.parent / FHIR
            folder.mkdir(exist_ok=True)
            write_risk_bundle(folder / path.name, trajectory)


def write_stays_page(run: Path, studies: Path, totals: KidneyTotals, facts: dict[str, str]) -> Path:
    """Write the page of all stays of a run; return it.

    Args:
        run: Its folder.
        studies: The folder of its shards.
        totals: Of them.
        facts: Versions and the like.
    """
    stays = []
    for shard, row in read_stays(studies):
        page = shard / FOLDER / f"{file_name(row['subject_id'], row['stay'])}.html"
        stays.append(
            KidneyStay(
                patient_id=row["subject_id"],
                stay=row["stay"],
                highest_risk=row["highest_risk"],
                num_alerts=row["alerts"],
                followed_h=row["followed_h"],
                first_alert_h=row["first_alert_h"],
                onset_h=row["onset_h"],
                page=page.relative_to(run).as_posix() if page.is_file() else "",
            )
        )
    cohort = KidneyCohort(
        run=run.absolute().name,
        model=totals.model,
        alert_horizon_h=totals.alert_horizon_h,
        threshold=totals.threshold,
        num_shards=totals.shards,
        num_patients=totals.numbers["patients"],
        stays=stays,
        refused=[RefusedPatient(*item) for item in totals.refused],
        rows_kept=totals.rows["kept"],
        left_out={LEFT_OUT[name]: count for name, count in totals.left_out.items() if count},
        unknown_codes=totals.unknown_codes,
        facts={"an alert": totals.policy, **facts},
    )
    write_kidney_cohort_page(cohort, run / STAYS_PAGE)
    return run / STAYS_PAGE
