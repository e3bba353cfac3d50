"""Does a network of kidney injury know what it must not? Shuffled labels, and creatinine taken away.

Writes results/aki_leakage.json: the area under the ROC curve of injury that begins within 48 h, at steps of
six hours of simulated stays that were not trained on, with intervals by patient, for one network each of

- the labels as they are;
- shuffled labels: every step gets the labels of a step of any stay of its part, so that neither patient nor
  hour tells them, three times anew. What lies further from 0.5 than chance takes it is a leak;
- the labels as they are, asked at each step with the creatinine of that step taken away: it was not measured,
  and the last, least and greatest values, their number and age, and what the state of the kidneys draws from
  them, are those of the step before. The steps before keep theirs. What falls is what the network owes to the
  value that has just come in. Most steps have none, so both are judged at the steps that have one too;
- the labels as they are, trained without creatinine among its inputs.

Run: ``python benchmarks/aki_leakage.py FOLDER [--stays 1500] [--epochs 12]``; networks that are found in the
folder are not trained again.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from medpipe.data.ragged_store import RaggedStore
from medpipe.data.stay_splits import PARTS, PartName, split_patients
from medpipe.data.stay_windows import StayWindow, collate_windows
from medpipe.ehr.bucketing import StaySteps
from medpipe.ehr.kidney_state import KIDNEY_STATE
from medpipe.ehr.stay_tensors import as_batch
from medpipe.metrics.classification import ROC_AUC
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.simulate.ward.writing import MEDS_FOLDER, write_ward
from medpipe.training.kidney.fit import fit_network, risk_logits
from medpipe.training.kidney.preparation import prepare_stays
from medpipe.training.kidney.reading import StayReader, fit_encoding
from medpipe.training.kidney.recipe import KidneyRecipe, read_kidney_recipe
from medpipe.training.trainer import FitOptions

RESULTS: Final = Path("benchmarks/results/aki_leakage.json")
RECIPE: Final = Path(__file__).resolve().parents[1] / "pipelines" / "train" / "aki.yaml"
HORIZON_H: Final = 48.0
CREATININE: Final = "creatinine"
OF_STATE: Final = [place for place, name in enumerate(KIDNEY_STATE) if name.startswith(CREATININE)]
"""Numbers of the state of the kidneys that creatinine goes into."""
TRUTHS: Final = ("risks", "lab_maxima")
RESAMPLES: Final = 1000
SHUFFLES: Final = 3

Parts = dict[PartName, tuple[int, ...]]


class ShuffledStore(RaggedStore):
    """Prepared stays whose steps have the labels of other steps.

    Args:
        folder: The store.
        parts: Stays of each part; labels do not leave theirs.
        seed: Of the draw.
    """

    def __init__(self, folder: Path, parts: Parts, *, seed: int) -> None:
        super().__init__(folder)
        rng = np.random.default_rng(seed)
        lengths = self.lengths("end_h")
        self._shuffled: dict[tuple[int, str], npt.NDArray[Any]] = {}
        for stays in parts.values():
            ends = np.cumsum(lengths[list(stays)])
            order = rng.permutation(ends[-1])
            for name in TRUTHS:
                rows = np.concatenate([super(ShuffledStore, self).read(stay, name) for stay in stays])
                for stay, labels in zip(stays, np.split(rows[order], ends[:-1]), strict=True):
                    self._shuffled[stay, name] = labels

    def read(self, number: int, name: str) -> npt.NDArray[Any]:
        """Return an array of an item; labels are those of other steps."""
        return self._shuffled[number, name] if name in TRUTHS else super().read(number, name)


class BlindStore(RaggedStore):
    """Prepared stays whose state of the kidneys knows nothing of creatinine."""

    def read(self, number: int, name: str) -> npt.NDArray[Any]:
        """Return an array of an item."""
        found = super().read(number, name)
        if name == "state":
            found = found.copy()
            found[:, OF_STATE] = np.nan
        return found


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    recipe = read_kidney_recipe(RECIPE, overrides=(f"epochs={given.epochs}", "seeds=[0]", "trees=null"))
    ward, stays = given.folder / "ward", given.folder / "stays"
    if not (ward / MEDS_FOLDER).exists():
        write_ward(ward, range(given.stays))
    store = prepare_stays(recipe, ward / MEDS_FOLDER, stays, predicates="ward")
    parts = parts_of(recipe, store)
    encoding = fit_encoding(store, parts["train"], recipe.inputs, seed=recipe.split_seed)
    reader = StayReader(store, encoding)
    others = tuple(scale for scale in encoding.scales.variables if scale.name != CREATININE)
    without = encoding.model_copy(update={"scales": encoding.scales.model_copy(update={"variables": others})})
    blind = StayReader(BlindStore(stays), without)
    network = trained(recipe, reader, parts, given.folder / "as-is")
    whole = asked(recipe, network, reader, parts)
    rows = {"as it is": figure(reader, parts, whole)}
    for seed in range(SHUFFLES):
        shuffled = StayReader(ShuffledStore(stays, parts, seed=seed), encoding)
        other = trained(recipe, shuffled, parts, given.folder / f"shuffled-{seed}")
        rows[f"shuffled labels, {seed + 1}"] = figure(shuffled, parts, asked(recipe, other, shuffled, parts))
    hidden = asked_without_newest(network, reader, parts["test"], recipe.batch_stays)
    has_one = np.concatenate([has_creatinine(reader.steps(stay), reader) for stay in parts["test"]])
    rows |= {
        "creatinine of the step taken away": figure(reader, parts, hidden),
        "as it is, steps with creatinine": figure(reader, parts, whole, judged=has_one),
        "taken away, steps with creatinine": figure(reader, parts, hidden, judged=has_one),
        "trained without creatinine": figure(
            blind, parts, asked(recipe, trained(recipe, blind, parts, given.folder / "blind"), blind, parts)
        ),
    }
    summary = {
        "stays": len(store),
        "test_stays": len(parts["test"]),
        "epochs": given.epochs,
        "horizon_h": HORIZON_H,
        "rows": rows,
    }
    given.results.write_text(json.dumps(summary, indent=1) + "\n")
    print(f"{len(store)} stays, {len(parts['test'])} of them judged; AUROC within {HORIZON_H:g} h")
    for name, row in rows.items():
        print(
            f"{name:36}{row['auroc']:.3f} ({row['low']:.3f} to {row['high']:.3f}), {row['steps']} steps, "
            f"{row['prevalence']:.1%} with the outcome"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="keeps ward, stays and networks")
    parser.add_argument("--stays", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def parts_of(recipe: KidneyRecipe, store: RaggedStore) -> Parts:
    """Return the stays of each part."""
    outcomes: dict[str, bool] = {}
    for item in store.items:
        outcomes[item["patient"]] = outcomes.get(item["patient"], False) or item["has_event"]
    part_of = split_patients(outcomes, recipe.split, seed=recipe.split_seed).part_of()
    found: dict[PartName, list[int]] = {part: [] for part in PARTS}
    for number, item in enumerate(store.items):
        found[part_of[item["patient"]]].append(number)
    return {part: tuple(stays) for part, stays in found.items()}


def trained(recipe: KidneyRecipe, reader: StayReader, parts: Parts, folder: Path) -> AkiRnn:
    return fit_network(
        recipe,
        reader,
        folder,
        train=parts["train"],
        validation=parts["validation"],
        seed=0,
        options=FitOptions(),
    )


def asked(recipe: KidneyRecipe, network: AkiRnn, reader: StayReader, parts: Parts) -> npt.NDArray[np.float64]:
    """Return ``(N, H)`` logits of the test stays."""
    return risk_logits(
        network,
        reader,
        parts["test"],
        batch_stays=recipe.batch_stays,
        window=recipe.window,
        device="cpu",
    )


def asked_without_newest(
    network: AkiRnn, reader: StayReader, stays: Sequence[int], batch_stays: int
) -> npt.NDArray[np.float64]:
    """Return ``(N, H)`` logits, each of a step without its own creatinine after steps that have theirs."""
    found = []
    with torch.no_grad():
        for first in range(0, len(stays), batch_stays):
            some = stays[first : first + batch_stays]
            whole = collate_windows([reader.window(stay, 0, steps_of(reader, stay)) for stay in some]).batch
            hidden = collate_windows([without_newest(reader, stay) for stay in some]).batch
            logits, state = [], None
            for step in range(whole.presence.shape[1]):
                logits.append(network(hidden.steps(step, step + 1), state).risk_logits[:, 0])
                state = network(whole.steps(step, step + 1), state).state
            rows = torch.stack(logits, dim=1).double().numpy()
            found += [row[:length] for row, length in zip(rows, whole.lengths.tolist(), strict=True)]
    return np.concatenate(found)


def steps_of(reader: StayReader, stay: int) -> int:
    return int(reader.store.lengths("end_h")[stay])


def without_newest(reader: StayReader, stay: int) -> StayWindow:
    """Return a stay each step of which lacks the creatinine that was entered in it."""
    steps = hidden_steps(reader.steps(stay), reader.encoding.variables.index(CREATININE))
    encoded = reader.encoding.encode(
        steps, reader.store.read(stay, "statics"), start_h=reader.store.items[stay]["start_h"]
    )
    return reader.window(stay, 0, len(steps.end_h))._replace(batch=as_batch(encoded))


def hidden_steps(steps: StaySteps, column: int) -> StaySteps:
    """Return steps that know of a variable what was known at the step before; the first knows nothing."""
    is_new = steps.since_h[:, column] == 0
    fresh: dict[str, npt.NDArray[Any]] = {}
    for name, nothing in (("carried", np.nan), ("least", np.nan), ("greatest", np.nan), ("counts", 0)):
        values = getattr(steps, name).copy()
        values[:, column] = np.where(is_new, np.append(nothing, values[:-1, column]), values[:, column])
        fresh[name] = values
    since_h = steps.since_h.copy()
    older_h = np.append(np.inf, since_h[:-1, column] + np.diff(steps.end_h))
    since_h[:, column] = np.where(is_new, older_h, since_h[:, column])
    state = steps.state.copy()
    before = np.concatenate([np.full_like(state[:1], np.nan), state[:-1]])
    state[:, OF_STATE] = np.where(is_new[:, None], before, state)[:, OF_STATE]
    return replace(steps, **fresh, since_h=since_h, state=state)


def has_creatinine(steps: StaySteps, reader: StayReader) -> npt.NDArray[np.bool_]:
    """Return ``(T,)`` whether creatinine was measured in each step."""
    is_new: npt.NDArray[np.bool_] = steps.since_h[:, reader.encoding.variables.index(CREATININE)] == 0
    return is_new


def figure(
    reader: StayReader,
    parts: Parts,
    logits: npt.NDArray[np.float64],
    *,
    judged: npt.NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Return the area of the test stays with its interval; at some of their steps, if these are given."""
    place = read_kidney_recipe(RECIPE).task.horizons_h.index(HORIZON_H)
    stays = parts["test"]
    truth = np.concatenate([reader.store.read(stay, "risks")[:, place] for stay in stays]).astype(np.float64)
    lengths = reader.store.lengths("end_h")[list(stays)]
    patients = np.repeat([reader.store.items[stay]["patient"] for stay in stays], lengths)
    scores = logits[:, place]
    if judged is not None:
        scores, truth, patients = scores[judged], truth[judged], patients[judged]
    interval = ROC_AUC.interval(scores, truth, patients=patients, num_resamples=RESAMPLES)
    known = truth[np.isfinite(truth)]
    return {
        "auroc": ROC_AUC.value(scores, truth),
        "low": interval.low,
        "high": interval.high,
        "steps": len(known),
        "prevalence": float(known.mean()),
    }


if __name__ == "__main__":
    main()
