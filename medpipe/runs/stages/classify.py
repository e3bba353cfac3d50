"""Stage ``classify``: a model package's answers about a study, the curve over its slices, and key slices."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from medpipe.core.case import Case, Figure
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Label, Measurement, QualityFlag, flag
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext
from medpipe.zoo.finder import find_package

if TYPE_CHECKING:
    from medpipe.core.slice_stack import SliceStack
    from medpipe.figures.key_slices import KeySlice
    from medpipe.inference.classifier import Classified, Classifier


class ClassifyParams(Params):
    """Parameters of ``classify``."""

    package: str = Field(description="Model package: a name, or a folder such as ./packages/head-ct.")
    key_slices: int = Field(
        default=1,
        ge=0,
        le=8,
        description="Slices drawn of each label above its threshold, the highest first.",
    )
    evidence: bool = Field(
        default=True,
        description="Draw on key slices what the answer rests on: where blurring a patch takes from it.",
    )


class Classify(Stage):
    """Answers a package's questions about each study of slices, and about each slice."""

    name: ClassVar[str] = "classify"
    version: ClassVar[str] = "1"
    resource: ClassVar[Resource] = Resource.GPU
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME, Good.SLICES})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FINDINGS, Good.FIGURES})
    of_slices: ClassVar[bool] = True
    params_type: ClassVar[type[Params]] = ClassifyParams

    def __init__(self, params: ClassifyParams) -> None:
        self._params = params
        self._package = find_package(params.package)
        self._manifest = self._package.classification
        self._classifier: Classifier | None = None

    @classmethod
    def assets(cls, params: Params) -> dict[str, str]:
        """Return the digest of the package; one that does not classify is refused."""
        assert isinstance(params, ClassifyParams)
        package = find_package(params.package)
        assert package.classification  # raises where it is none
        return {params.package: package.digest}

    def open(self, device: str) -> None:
        """Load the network, once a worker."""
        from medpipe.inference.classifier import load_classifier

        self._classifier = load_classifier(self._package, device)

    def __call__(self, case: Case, context: StageContext) -> Case:
        """Answer about the series in the package's role."""
        from medpipe.tasks.classification import ClassificationTask
        from medpipe.tasks.scores import ScoreTask

        if self._classifier is None:
            raise RuntimeError("the stage was not opened")
        role, made_by = self._manifest.preprocessing.role, self._package.maker
        stack = self._stack(case)
        found = self._classifier.classify(stack)
        labels = ClassificationTask(self._manifest.labels).findings(
            found.answer, source=role, made_by=made_by
        )
        measured: tuple[Measurement, ...] = ()
        if found.answer.scores is not None:
            task = ScoreTask(self._manifest.scores)
            measured = task.findings(found.answer.scores, source=role, made_by=made_by)
        case = case.adding(
            findings=(*labels, *measured),
            flags=self._flags(found),
            figures=self._figures(stack, found, labels),
        )
        return case.with_(cards={**case.cards, made_by: self._package.card})

    def _stack(self, case: Case) -> "SliceStack":
        from medpipe.core.slice_stack import SliceStack
        from medpipe.core.volume import Volume
        from medpipe.io.dicom.write import slices_of

        role = self._manifest.preprocessing.role
        image = case.images.get(role)
        if isinstance(image, Volume):
            return slices_of(image)
        if isinstance(image, SliceStack):
            return image
        raise RefusedError(
            Code.E_NO_MATCH,
            f"The model needs slices in the role {role!r}",
            found=", ".join(sorted(case.images)) or "no image",
        )

    def _flags(self, found: "Classified") -> tuple[QualityFlag, ...]:
        """Flag series beyond what the network was trained on."""
        seen = self._manifest.seen
        if seen is None:
            return ()
        beyond = seen.beyond(len(found.prepared.values), found.gaps_mm, found.novelty)
        return tuple(
            flag(
                Code.W_UNSEEN,
                "The series lies beyond those that the model was trained on: its answers may be wrong",
                found=text,
                source=self._manifest.preprocessing.role,
                made_by=self._package.maker,
                suffix="" if number == 1 else str(number),
            )
            for number, text in enumerate(beyond, start=1)
        )

    def _figures(
        self, stack: "SliceStack", found: "Classified", labels: tuple[Label, ...]
    ) -> tuple[Figure, ...]:
        from medpipe.figures.key_slices import draw_key_slices
        from medpipe.figures.slice_curve import draw_slice_curves

        assert self._classifier is not None
        curves = [label for label in labels if label.slice_probabilities]
        figures = []
        if curves and stack.num_slices > 1:
            figures.append(draw_slice_curves(curves, stack.in_plane_mm, stack.positions_mm))
        keys = [
            key
            for number, label in enumerate(labels)
            if label.is_positive
            for key in self._keys(stack, found, number, label)
        ]
        if keys:
            figures.append(
                draw_key_slices(
                    stack.array[:, 0].numpy(),
                    stack.in_plane_mm,
                    stack.positions_mm,
                    keys,
                    modality=stack.modality,
                )
            )
        return tuple(figures)

    def _keys(self, stack: "SliceStack", found: "Classified", number: int, label: Label) -> list["KeySlice"]:
        """Return the slices that speak for a label most.

        Those of highest probability; of a label that slices do not have, those that counted most for the
        study's answer. Where all counted alike there are none.
        """
        from medpipe.figures.key_slices import KeySlice, highest_slices

        assert self._classifier is not None
        weights: list[float] = found.answer.weights[:, number].tolist()
        of_study = not label.slice_probabilities
        if of_study and min(weights) == max(weights) and len(weights) > 1:
            return []
        keys = []
        for index in highest_slices(label.slice_probabilities or weights, count=self._params.key_slices):
            evidence = None
            if self._params.evidence:
                evidence = self._classifier.evidence(stack, found, number, index, of_study=of_study).numpy()
            keys.append(KeySlice(label, index, evidence, share=weights[index] if of_study else None))
        return keys
