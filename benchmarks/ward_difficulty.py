"""How hard is the simulated ward? The trivial rule, and what somebody who sees inside the patient could know.

Writes results/ward_difficulty.json: how well kidney injury that begins within 48 h is told at steps of six
hours, by the rise of the last measured creatinine; and by models of what no chart holds: true filtration,
tubular function and creatinine, now and twelve hours ago, with all visible exposures so far. Half of the
patients teach these models, the other half is judged. What lies between is what a model of the record can
win; what the ceiling lacks is chance that had not been drawn yet.

Run: ``python benchmarks/ward_difficulty.py``
"""

import json
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medpipe.core.affine import Array
from medpipe.metrics.creatinine_rise import creatinine_rise
from medpipe.simulate.ward.insult import InsultKind
from medpipe.simulate.ward.stays import WardStay, simulated_stay

RESULTS = Path("benchmarks/results/ward_difficulty.json")
NUM_STAYS, STEP_H, HORIZON_H, BEFORE_H = 4000, 6.0, 48.0, 12
SEEN_H = 168.0


def steps_of(stay: WardStay) -> tuple[Array, Array, Array]:
    """Return label, rule and hidden state at each step whose outcome is known."""
    moments = np.arange(0.0, stay.truth.end_h, STEP_H)
    labels = stay.truth.begins_within(moments, HORIZON_H)
    known = ~np.isnan(labels)
    is_creatinine = stay.record.codes == "creatinine"
    rises = creatinine_rise(stay.record.time_h[is_creatinine], stay.record.values[is_creatinine], moments)
    hidden = np.array([hidden_state(stay, moment) for moment in moments])
    return labels[known], rises[known], hidden[known]


def hidden_state(stay: WardStay, moment_h: float) -> list[float]:
    """Return what only the simulator knows at a moment, and nothing of what comes after it."""
    truth, patient = stay.truth, stay.plan.patient
    now = int(np.searchsorted(truth.time_h, moment_h, side="right")) - 1
    state = [patient.egfr, patient.age_years, float(patient.has_heart_failure), float(patient.has_diabetes)]
    for series, whole in (
        (truth.gfr_ml_min, patient.gfr_ml_min),
        (truth.tubular_function, 1.0),
        (truth.creatinine_umol_l, patient.normal["creatinine"]),
    ):
        state += [series[now] / whole, (series[now] - series[now - BEFORE_H]) / whole]
    for kind in InsultKind:
        ages = [
            (moment_h - one.exposure.start_h, one.exposure.severity)
            for one in truth.insults
            if one.exposure.kind is kind and 0 <= moment_h - one.exposure.start_h < SEEN_H
        ]
        visible = ages if kind is not InsultKind.UNSEEN else []
        state += [
            min((age for age, _ in visible), default=SEEN_H),
            sum(severity for _, severity in visible),
        ]
    return state


def main() -> None:
    """Simulate, judge, write."""
    stays = [simulated_stay(seed) for seed in range(NUM_STAYS)]
    parts = [steps_of(stay) for stay in stays]
    label, rise, hidden = (np.concatenate(column) for column in zip(*parts, strict=True))
    teaches = np.repeat(np.arange(NUM_STAYS) % 2 == 0, [len(part[0]) for part in parts])
    judged = label[~teaches]
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    trees = HistGradientBoostingClassifier(max_leaf_nodes=15, min_samples_leaf=60, random_state=0)
    scores = {"rule": rise[~teaches]}
    for name, model in (("ceiling_linear", linear), ("ceiling_trees", trees)):
        scores[name] = model.fit(hidden[teaches], label[teaches]).predict_proba(hidden[~teaches])[:, 1]
    peaks = np.array([stay.truth.peak_stage for stay in stays])
    result = {
        "stays": NUM_STAYS,
        "injured_share": float((peaks >= 1).mean()),
        "stage_shares": [float((peaks == stage).mean()) for stage in (1, 2, 3)],
        "steps_judged": len(judged),
        "positive_share": float(judged.mean()),
        "roc_auc": {name: float(roc_auc_score(judged, score)) for name, score in scores.items()},
        "average_precision": {
            name: float(average_precision_score(judged, score)) for name, score in scores.items()
        },
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
