"""What are the maxima of seven labs worth as auxiliary tasks, where few outcomes are known?

Writes results/aki_auxiliary.json: mean AUROC over the horizons on the test patients of the simulated ward,
of the shipped recipe with and without the loss of the labs, five seeds, where the outcomes of 1 %, 10 % and
all of the patients trained on are known. Labs are part of every record: their maxima are learned of all
patients. When to stop is read off the outcomes of the validation patients, all of which are known. Beside
them LightGBM, which can learn from the known outcomes alone.

Run: ``python benchmarks/aki_auxiliary.py FOLDER``; networks that are found in FOLDER are not trained again.
"""

import argparse
import json
import platform
import shutil
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from medpipe.simulate.ward.writing import MEDS_FOLDER, write_ward
from medpipe.training.kidney.fit import fit_network, risk_logits
from medpipe.training.kidney.labelled import labelled_stays
from medpipe.training.kidney.module import MONITOR, mean_figures
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe, read_kidney_recipe
from medpipe.training.kidney.split import Parts, choose_split, parts_of
from medpipe.training.kidney.trees import fit_trees
from medpipe.training.kidney.truth import read_truth
from medpipe.training.trainer import FitOptions

RESULTS = Path("benchmarks/results/aki_auxiliary.json")
RECIPE = Path("pipelines/train/aki.yaml")
NUM_STAYS = 1000
SHARES = (0.01, 0.1, 1.0)
SEEDS = range(5)


def network_auroc(recipe: KidneyRecipe, reader: StayReader, parts: Parts, seed: int, place: Path) -> float:
    """Train a network of a seed, or take what is known of it."""
    done = place / "auroc.json"
    if not done.exists():
        network = fit_network(
            recipe,
            reader,
            place / "network",
            train=parts["train"],
            validation=parts["validation"],
            seed=seed,
            options=FitOptions(),
        )
        logits = risk_logits(
            network,
            reader,
            parts["test"],
            batch_stays=recipe.batch_stays,
            window=recipe.window,
            device="cpu",
        )
        figures = mean_figures(logits, read_truth(reader.store, parts["test"]).outcomes)
        done.write_text(json.dumps(figures[MONITOR]))
        shutil.rmtree(place / "network")
    return float(json.loads(done.read_text()))


def trees_auroc(recipe: KidneyRecipe, reader: StayReader, parts: Parts) -> float:
    assert recipe.trees is not None
    known = labelled_stays(reader.store, parts["train"], recipe.labelled, seed=recipe.split_seed)
    train, validation = (
        (reader.table(stays), read_truth(reader.store, stays).outcomes)
        for stays in (known, parts["validation"])
    )
    forests = fit_trees(recipe.trees, train=train, validation=validation, seed=recipe.split_seed)
    outcomes = read_truth(reader.store, parts["test"]).outcomes
    return mean_figures(forests.log_odds(reader.table(parts["test"])), outcomes)[MONITOR]


def row_of(share: float, records: Path, folder: Path) -> dict[str, Any]:
    """Return what is reached with and without labs where a share of the outcomes is known."""
    recipe = read_kidney_recipe(RECIPE, overrides=(f"labelled={share}",))
    store = prepare_stays(recipe, records, folder / "stays", predicates="ward")
    parts = parts_of(store, choose_split(recipe, store, records, folder / "patients.json"))
    reader = StayReader(store, fit_encoding(store, parts["train"], recipe.inputs, seed=recipe.split_seed))
    without = recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"labs": 0.0})})
    areas = {
        name: [
            network_auroc(changed, reader, parts, seed, folder / f"{share:g}-{name.replace(' ', '-')}-{seed}")
            for seed in SEEDS
        ]
        for name, changed in (("with labs", recipe), ("without labs", without))
    }
    gains = [one - other for one, other in zip(*areas.values(), strict=True)]
    known = labelled_stays(store, parts["train"], share, seed=recipe.split_seed)
    return {
        "stays with known outcomes": len(known),
        **{name: round(mean(values), 4) for name, values in areas.items()},
        "gain": round(mean(gains), 4),
        "standard deviation of the gain over seeds": round(stdev(gains), 4),
        "by seed": {name: [round(value, 4) for value in values] for name, values in areas.items()},
        "LightGBM": round(trees_auroc(recipe, reader, parts), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="gets the ward and the trainings")
    given = parser.parse_args()
    ward = given.folder / "ward"
    if not ward.exists():
        write_ward(ward, range(NUM_STAYS))
    rows = {}
    for share in SHARES:
        rows[f"{share:.0%}"] = row_of(share, ward / MEDS_FOLDER, given.folder)
        print(f"{share:.0%}", rows[f"{share:.0%}"], flush=True)
    summary = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "stays": NUM_STAYS,
        "outcomes known": rows,
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
