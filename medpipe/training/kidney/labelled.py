"""Learning where outcomes are known of few patients; lab maxima are learned of all."""

from collections.abc import Sequence

import numpy as np

from medpipe.data.ragged_store import RaggedStore


def labelled_stays(store: RaggedStore, train: Sequence[int], share: float, *, seed: int) -> tuple[int, ...]:
    """Return the stays of a share of the patients, drawn apart from those with and without the outcome.

    Args:
        store: Prepared stays.
        train: Stays trained on.
        share: Of the patients, above 0; one with and one without the outcome at least, where there are any.
        seed: Of the draw: a larger share holds all of a smaller one.
    """
    if share >= 1:
        return tuple(train)
    has_event: dict[str, bool] = {}
    for stay in train:
        item = store.items[stay]
        has_event[item["patient"]] = has_event.get(item["patient"], False) or item["has_event"]
    chosen: set[str] = set()
    for outcome in (True, False):
        patients = sorted(patient for patient, event in has_event.items() if event is outcome)
        order = np.random.default_rng(seed).permutation(len(patients))
        chosen |= {patients[place] for place in order[: max(1, round(share * len(patients)))]}
    return tuple(stay for stay in train if store.items[stay]["patient"] in chosen)
