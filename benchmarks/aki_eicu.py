"""What networks of kidney injury are worth on real stays: cells, labs, inputs, vectors, ensemble, trees.

Writes results/aki_eicu.json. The stays are those of the open eICU demo as a YAIB task has them, split by
patient. Three tasks, each with its prevalence, none to be set beside another:

- ``yaib6``: the label as given, injury within 6 h to either side; half of the positive hours are after onset.
- ``yaib6 before onset``: the same without the hours from the onset on.
- ``aki48``: own KDIGO by creatinine and urine; hours whose horizon is cut by the end of a stay are not known.

Every design is one factor off ``pipelines/train/aki-icu.yaml`` and one network of one seed; the recipe itself
has three, which are the ensemble, and trees. Figures are of the test part, with intervals by patient.

Run: ``python benchmarks/aki_eicu.py RECORDS FOLDER``, RECORDS with ``dyn.parquet``, ``sta.parquet`` and
``outc.parquet``; trainings that are found in FOLDER are not repeated.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch

from medpipe.training.kidney.recipe import read_kidney_recipe
from medpipe.training.kidney.workflow import FIGURES, train_kidney
from medpipe.training.trainer import FitOptions

RESULTS = Path("benchmarks/results/aki_eicu.json")
RECIPE = Path("pipelines/train/aki-icu.yaml")

TASKS: dict[str, tuple[str, ...]] = {
    "yaib6": ("task={kind: yaib6, drop_after_onset: false}", "alert_horizon_h=null"),
    "yaib6 before onset": ("task={kind: yaib6, drop_after_onset: true}", "alert_horizon_h=null"),
    "aki48": (),
}
ARGUMENTS = (
    "network.arguments={{cell: {}, embedding: 32, highway_layers: 1, hidden: 64, layers: 2, dropout: 0.3}}"
)
VECTORS = "inputs.code_vectors={method: skip-gram, dimension: 32}"
DESIGNS: dict[str, tuple[str, ...]] = {
    "lstm": (ARGUMENTS.format("lstm"),),
    "gru": (ARGUMENTS.format("gru"),),
    "without auxiliary labs": ("labs=[]",),
    "vectors of codes": (VECTORS,),
    "without the state of the kidneys": ("inputs.state=false",),
    "all variables and their course": ("inputs.variables=null", "inputs.course=true"),
}


def trained(records: Path, folder: Path, task: str, design: str | None) -> dict[str, Any]:
    """Return the figures of a training; a design is of one seed and without trees."""
    changes = () if design is None else (*DESIGNS[design], "seeds=[0]", "trees=null")
    place = folder / task.replace(" ", "-") / (design or "recipe").replace(" ", "-")
    if not (place / FIGURES).exists():
        recipe = read_kidney_recipe(RECIPE, overrides=(*TASKS[task], *changes))
        stays = "stays-without-labs" if "labs=[]" in changes else "stays"
        train_kidney(recipe, records, place, store_folder=place.parent / stays, options=FitOptions())
    found: dict[str, Any] = json.loads((place / FIGURES).read_text())
    return found


def rows_of(figures: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return area and precision of systems by horizon, under new names."""
    rows: dict[str, Any] = {}
    for item in figures["figures"]:
        if item["model"] in names and item["metric"] in ("AUROC", "AUPRC"):
            horizon = rows.setdefault(names[item["model"]], {}).setdefault(f"{item['horizon_h']:g} h", {})
            horizon[item["metric"]] = [round(item[key], 3) for key in ("value", "low", "high")]
    return rows


def table_of(records: Path, folder: Path, task: str) -> dict[str, Any]:
    whole = trained(records, folder, task, None)
    rows = rows_of(
        whole,
        {
            "trees": "LightGBM",
            "network": "SRU",
            "ensemble": "three SRU",
            "networks and trees": "three SRU and LightGBM",
            "ensemble - trees": "three SRU - LightGBM",
            "networks and trees - trees": "three SRU and LightGBM - LightGBM",
        },
    )
    for design in DESIGNS:
        name = f"SRU, {design}" if len(design) > len("lstm") else design.upper()
        rows |= rows_of(trained(records, folder, task, design), {"network": name})
        print(task, name, rows[name], flush=True)
    return {"stays": whole["stays"], "horizons": whole["horizons"], "systems": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path, help="tables of the YAIB task")
    parser.add_argument("folder", type=Path, help="gets the trainings")
    given = parser.parse_args()
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "tasks": {task: table_of(given.records, given.folder, task) for task in TASKS},
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
