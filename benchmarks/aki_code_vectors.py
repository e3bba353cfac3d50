"""Do vectors of codes help a network of kidney injury that has few stays to learn from?

Writes results/aki_code_vectors.json: mean AUROC over the horizons on the test patients of the simulated ward
(1000 stays, the shipped recipe with codes), of networks that learn from a tenth of the training stays. Their
lookups of codes and of presence begin by chance, or with vectors of skip-gram or CBOW, learned from that
tenth (as the recipe does) or from all training stays, whose outcomes stay unread (as from a file).

Run: ``python benchmarks/aki_code_vectors.py``
"""

import json
import tempfile
from pathlib import Path

import numpy as np

from medpipe.core.affine import Array
from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_splits import split_patients
from medpipe.simulate.ward.writing import MEDS_FOLDER, write_ward
from medpipe.text.code_vectors import CodeVectors, Method, VectorSettings
from medpipe.training.codes.embedding import code_vectors_of
from medpipe.training.kidney.code_start import lookup_start
from medpipe.training.kidney.fit import fit_network, risk_logits
from medpipe.training.kidney.module import mean_figures
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe, read_kidney_recipe
from medpipe.training.trainer import FitOptions

RESULTS = Path("benchmarks/results/aki_code_vectors.json")
RECIPE = Path("pipelines/train/aki.yaml")
CHANGES = ("inputs.codes=true", "batch_stays=8", "trees=null")
"""Batches of 8 stays: a tenth of the training stays would make three batches of the recipe's 32."""

NUM_STAYS, TENTH, SEEDS = 1000, 0.1, (0, 1)
Parts = dict[str, list[int]]


def parts_of(store: RaggedStore, recipe: KidneyRecipe) -> Parts:
    """Return the stays of each part, and a tenth of those of the training."""
    outcomes: dict[str, bool] = {}
    for item in store.items:
        outcomes[item["patient"]] = outcomes.get(item["patient"], False) or item["has_event"]
    part_of = split_patients(outcomes, recipe.split, seed=recipe.split_seed).part_of()
    parts: Parts = {name: [] for name in ("train", "validation", "calibration", "test")}
    for number, item in enumerate(store.items):
        parts[part_of[item["patient"]]].append(number)
    drawn = np.random.default_rng(0).permutation(parts["train"])
    parts["tenth"] = sorted(drawn[: round(TENTH * len(drawn))].tolist())
    return parts


def auroc(
    recipe: KidneyRecipe, reader: StayReader, parts: Parts, vectors: CodeVectors | None, seed: int
) -> float:
    """Train a network of a seed on the tenth; return its mean AUROC on the test stays."""
    with tempfile.TemporaryDirectory() as folder:
        network = fit_network(
            recipe,
            reader,
            Path(folder),
            train=parts["tenth"],
            validation=parts["validation"],
            seed=seed,
            options=FitOptions("cpu"),
            vectors=vectors,
        )
    logits = risk_logits(
        network, reader, parts["test"], batch_stays=recipe.batch_stays, window=recipe.window, device="cpu"
    )
    outcomes: Array = np.concatenate([reader.store.read(stay, "risks") for stay in parts["test"]])
    return mean_figures(logits, outcomes.astype(np.float64))["auroc"]


def main() -> None:
    """Simulate, learn vectors, train, write."""
    recipe = read_kidney_recipe(RECIPE, overrides=CHANGES)
    width = int(recipe.network.arguments["embedding"])
    with tempfile.TemporaryDirectory() as folder:
        write_ward(Path(folder) / "ward", range(NUM_STAYS))
        store = prepare_stays(
            recipe, Path(folder) / "ward" / MEDS_FOLDER, Path(folder) / "stays", predicates="ward"
        )
        parts = parts_of(store, recipe)
        reader = StayReader(store, fit_encoding(store, parts["tenth"], recipe.inputs, seed=0))
        arms: dict[str, CodeVectors | None] = {"off": None}
        for method in Method:
            settings = VectorSettings(method=method, dimension=width)
            for part in ("tenth", "train"):
                arms[f"{method.value}, from the {part}"] = code_vectors_of(store, parts[part], settings)
        result: dict[str, object] = {
            "stays": {name: len(stays) for name, stays in parts.items()},
            "seeds": SEEDS,
        }
        for name, vectors in arms.items():
            areas = [auroc(recipe, reader, parts, vectors, seed) for seed in SEEDS]
            result[name] = {"mean_auroc": float(np.mean(areas)), "by_seed": areas}
            if vectors is not None:
                found = lookup_start(vectors, reader.encoding, store, parts["tenth"])
                result[name] |= {  # type: ignore[operator]  # the dict above
                    "codes": f"{found.codes_found} of {found.codes}",
                    "variables": f"{found.variables_found} of {found.variables}",
                }
            print(name, result[name], flush=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
