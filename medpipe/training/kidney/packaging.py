"""From trained networks and trees to a package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from medpipe.core.isotonic import IsotonicCurve
from medpipe.ehr.stay_statics import STATICS
from medpipe.models.aki_rnn.ensemble import AkiEnsemble
from medpipe.models.aki_rnn.model import AkiRnn
from medpipe.models.boosted_trees.model import BoostedTrees
from medpipe.models.registry import build_network
from medpipe.training.card import PackageFacts, licence_text
from medpipe.training.kidney.card import Judged, kidney_card
from medpipe.training.kidney.fit import fitted_task, network_arguments
from medpipe.training.kidney.reading import StayReader
from medpipe.training.kidney.recipe import KidneyRecipe
from medpipe.zoo.manifest import KidneySpec, NetworkSpec, SeenStays
from medpipe.zoo.package import Package
from medpipe.zoo.writing import write_package

PACKAGE: Final = "package"

_ENSEMBLE: Final = "aki-ensemble"
_AGES: Final = (0.01, 0.99)


@dataclass(frozen=True, eq=False)
class Trained:
    """What is packed.

    Attributes:
        networks: One a seed.
        trees: Boosted trees; None where they have no weight.
        curves: Of calibration, one a horizon.
    """

    networks: Sequence[AkiRnn]
    trees: BoostedTrees | None
    curves: tuple[IsotonicCurve, ...]


def package_kidney(
    recipe: KidneyRecipe,
    reader: StayReader,
    train: Sequence[int],
    trained: Trained,
    judged: Judged,
    facts: PackageFacts,
    folder: Path,
) -> Package:
    """Write the package of a training; one that is there is replaced.

    Args:
        recipe: How it was trained.
        reader: Its encoding is the package's.
        train: Stays that were learned from.
        trained: What is packed.
        judged: What the card tells.
        facts: What only people know.
        folder: Of the training.

    Raises:
        SettingsError: The ensemble is too large for a package, or its weights for float16.
        MachineError: The disk is full or cannot be written.
    """
    task = fitted_task(recipe, reader, train)
    arguments: dict[str, Any] = {
        "num_networks": len(trained.networks),
        "network": network_arguments(recipe, reader),
        "trees": None if trained.trees is None else trained.trees.arguments(),
    }
    spec = KidneySpec(
        name=recipe.name,
        version=facts.version,
        summary=f"Forecasts {task.outcome.meaning.lower()}: {recipe.task.kind}, {_hours(recipe)} ahead",
        task="kidney",
        network=NetworkSpec(name=_ENSEMBLE, arguments=arguments),
        licence=facts.licence,
        definition=recipe.task.words,
        rule=recipe.task.rule,
        outcome=task.outcome,
        encoding=reader.encoding,
        steps=recipe.task.steps,
        horizons_h=recipe.task.horizons_h,
        labs=task.labs,
        tree_weight=judged.tree_weight.weight,
        curves=trained.curves,
        thresholds=tuple(judged.thresholds),
        alert_horizon_h=recipe.alert_horizon_h,
        target_precision=recipe.alert_precision,
        seen=_seen(reader, train),
    )
    return write_package(
        folder / PACKAGE / recipe.name,
        spec,
        _ensemble(arguments, trained).state_dict(),
        card=kidney_card(recipe, facts, judged),
        licence=licence_text(facts),
        replace=True,
    )


def _ensemble(arguments: dict[str, Any], trained: Trained) -> AkiEnsemble:
    ensemble = build_network(_ENSEMBLE, arguments)
    assert isinstance(ensemble, AkiEnsemble)
    for member, network in zip(ensemble.members, trained.networks, strict=True):
        member.load_state_dict(network.state_dict())
    if ensemble.trees is not None and trained.trees is not None:
        ensemble.trees.load_state_dict(trained.trees.state_dict())
    return ensemble


def _seen(reader: StayReader, train: Sequence[int]) -> SeenStays:
    store = reader.store
    ages = np.array([store.read(stay, "statics")[STATICS.index("age")] for stay in train], dtype=np.float64)
    known = ages[np.isfinite(ages)]
    low, high = np.quantile(known, _AGES).round(1).tolist() if len(known) else (0.0, 0.0)
    return SeenStays(
        patients=len({store.items[stay]["patient"] for stay in train}),
        stays=len(train),
        ages=(low, high) if len(known) else None,
        steps=int(store.lengths("end_h")[list(train)].max()),
    )


def _hours(recipe: KidneyRecipe) -> str:
    return f"{', '.join(f'{hours:g}' for hours in recipe.task.horizons_h)} h"
