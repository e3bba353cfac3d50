"""Preparation of a run folder: what is written and put in order before work begins."""

import shutil

from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.io.atomic import sweep_leftovers
from medpipe.runs.folder.lease import EXPIRY_S, Leases, is_held
from medpipe.runs.folder.run_folder import ListedUnit, RunFolder, RunListing
from medpipe.runs.folder.state import UnitState
from medpipe.runs.plan import Plan
from medpipe.runs.unit import unit_of_scratch
from medpipe.runs.workers.outcome import outcome_of_error


def write_listing(folder: RunFolder, planned: Plan) -> RunListing:
    """Write which units there are; units of an earlier call stay listed, so that none is lost."""
    units = {unit.id: unit for unit in folder.read_listing().units}
    units.update((unit.id, ListedUnit(id=unit.id, label=unit.label)) for unit in planned.units)
    listing = RunListing(
        num_files=planned.num_files,
        units=tuple(units[unit_id] for unit_id in sorted(units)),
        skipped=tuple((item.path, item.reason) for item in planned.skipped),
        num_patients=planned.num_patients,
        kind=planned.kind,
    )
    folder.write_listing(listing)
    return listing


def note_vanished(folder: RunFolder, listing: RunListing, planned: Plan) -> None:
    """Refuse listed units whose files are no longer there, unless they are finished."""
    present = {unit.id for unit in planned.units}
    for unit in listing.units:
        if unit.id in present:
            continue
        state = folder.states.read(unit.id)
        if state is None or not state.state.is_final:
            error = RefusedError(
                Code.E_CHANGED,
                f"The {listing.kind.value} was indexed earlier and is no longer among the inputs",
                fix="Give the same inputs again.",
            )
            outcome = outcome_of_error(error, "index")
            folder.states.write(
                UnitState(
                    id=unit.id, label=unit.label, state=outcome.state, reasons=outcome.reasons, stage="index"
                )
            )


def sweep(folder: RunFolder, leases: Leases) -> None:
    """Remove what a killed process left half-written, unless its unit is being worked on."""
    leases.sweep()
    for place in (folder.path, folder.studies, folder.path / "state"):
        sweep_leftovers(place, min_age_s=EXPIRY_S)  # younger ones may be another process's
    for path in folder.work.iterdir():
        unit_id = unit_of_scratch(path.name)
        if unit_id and not is_held(folder.path / "state", unit_id):
            shutil.rmtree(path, ignore_errors=True)
