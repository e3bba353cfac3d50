"""Stage ``aki``: the risk of kidney injury at every step of the stays of a shard of patients."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from medpipe.core.case import Case
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.ehr.baseline import BaselineRule
from medpipe.ehr.kidney_labels import KidneyRule, LabelRule
from medpipe.ehr.mapping import PREDICATES_OF, read_predicates
from medpipe.io.content_hash import sha256_of
from medpipe.io.records.open_records import RecordSource
from medpipe.io.records.record_shards import SOURCE, read_record_shard, shard_facts
from medpipe.runs.kidney_shards.counts import COUNTS
from medpipe.runs.kidney_shards.policy import AlertChoice, choose_alerts
from medpipe.runs.kidney_shards.shard import ShardRequest, ShardWork
from medpipe.runs.kidney_shards.stay_forecast import Outcome
from medpipe.runs.kidney_shards.trajectories import FOLDER, file_name
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.zoo.finder import find_package
from medpipe.zoo.manifest import KidneyManifest

if TYPE_CHECKING:
    from medpipe.inference.kidney import KidneyForecaster


class AkiParams(Params):
    """Parameters of ``aki``."""

    package: str = Field(description="Model package: a name, or a folder such as ./packages/aki.")
    predicates: str = Field(
        default="",
        description="Meanings of the source's codes: a name or a YAML file; by its form where left out.",
    )
    horizon_h: float | None = Field(
        default=None, gt=0, description="Hours ahead that alerts are of; the package's own where left out."
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="Least risk of an alert; the package's where left out."
    )
    refractory_h: float = Field(
        default=24.0, ge=0, description="Hours after an alert in which a stay has no other."
    )
    max_per_day: int | None = Field(
        default=None,
        ge=1,
        description="Most alerts of a stay within 24 hours; no limit where left out.",
    )
    patients: tuple[str, ...] = Field(
        default=(),
        description="Patients, as the run names them, who get a trajectory and a page in any case.",
    )
    pages: int = Field(
        default=50,
        ge=0,
        description="Further stays of a shard that get them: those that alerted, the highest risk first.",
    )
    fhir: bool = Field(
        default=False,
        description="Write each of those trajectories as FHIR R4 resources RiskAssessment too.",
    )
    outcome: Literal["package", "source", "none"] = Field(
        default="package",
        description="What predictions are labelled by: package is the rule that the package was trained on, "
        "source the labels of the records.",
    )


class Aki(Stage):
    """Forecasts kidney injury and maxima of labs for every patient of a shard; says which stays alert."""

    name: ClassVar[str] = "aki"
    version: ClassVar[str] = "1"
    resource: ClassVar[Resource] = Resource.GPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.RECORDS})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.TABLES, Good.FINDINGS})
    params_type: ClassVar[type[Params]] = AkiParams

    def __init__(self, params: AkiParams) -> None:
        self._params = params
        self._package = find_package(params.package)
        self._request = ShardRequest(
            choice=_choice(params, self._package.kidney),
            rule=_rule(self._package.kidney),
            outcome=_outcome(params, self._package.kidney),
            patients=params.patients,
            most_trajectories=params.pages,
            seen=self._package.kidney.seen,
            made_by=self._package.maker,
        )
        self._forecaster: KidneyForecaster | None = None

    @classmethod
    def assets(cls, params: Params) -> dict[str, str]:
        """Return digests of package and predicates; those that cannot be used are refused."""
        assert isinstance(params, AkiParams)
        package = find_package(params.package)
        _choice(params, package.kidney)
        digests = {params.package: package.digest}
        if params.predicates:
            read_predicates(params.predicates)
            if Path(params.predicates).is_file():
                digests[params.predicates] = sha256_of([params.predicates])
        return digests

    def open(self, device: str) -> None:
        """Load the networks, once a worker."""
        from medpipe.inference.kidney import load_forecaster

        self._forecaster = load_forecaster(self._package, device)

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Read the shard, some patients at a time, and forecast."""
        if self._forecaster is None:
            raise RuntimeError("the stage was not opened")
        path = Path(context.unit.files[0])
        source = shard_facts(path).get(SOURCE, "")
        predicates = read_predicates(self._params.predicates or PREDICATES_OF[RecordSource(source)])
        work = ShardWork(self._forecaster, self._request, predicates, source)
        for group in read_record_shard(path):
            work.add(group)
        counts = work.counts
        if len(counts.refused) == counts.records:
            raise RefusedError(
                Code.E_RECORD,
                "Every record of the shard is refused",
                found=f"{counts.records}; the first: {counts.refused[0].error}",
                fix="Correct the records.",
            )
        texts = {COUNTS: counts.text()}
        for trajectory in work.trajectories():
            name = file_name(trajectory.patient_id, trajectory.stay)
            texts[f"{FOLDER}/{name}.json"] = trajectory.to_json()
        case = case.adding(findings=counts.measurements(), flags=counts.flags())
        return case.with_(
            tables={**case.tables, **work.tables.finished()},
            texts={**case.texts, **texts},
            cards={**case.cards, self._package.maker: self._package.card},
        )

    def document(self, case: Case, folder: Path, context: StageContext) -> None:
        """Draw the page of each trajectory beside it, and write its FHIR resources where asked for."""
        from medpipe.runs.kidney_shards.pages import write_stay_pages

        write_stay_pages(folder, fhir=self._params.fhir)


def _choice(params: AkiParams, manifest: KidneyManifest) -> AlertChoice:
    return choose_alerts(
        manifest,
        horizon_h=params.horizon_h,
        threshold=params.threshold,
        refractory_h=params.refractory_h,
        max_per_day=params.max_per_day,
    )


def _outcome(params: AkiParams, manifest: KidneyManifest) -> Outcome:
    """Return what predictions are labelled by; a package without a rule learned from labels of a source."""
    if params.outcome == "package":
        return Outcome.KDIGO if manifest.rule else Outcome.SOURCE
    return Outcome(params.outcome)


def _rule(manifest: KidneyManifest) -> KidneyRule:
    """Return the package's rule; of one without, only the horizons are looked at."""
    rule = manifest.rule or LabelRule(baseline=BaselineRule.ROLLING_MINIMUM)
    return rule.over(manifest.horizons_h)
