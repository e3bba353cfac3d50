"""Small stages that do and go wrong as they are told; worker processes import them too."""

import errno
import os
import signal
import time
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch

from medpipe.core.case import Case, Figure, Mask
from medpipe.core.codes import Code
from medpipe.core.errors import RefusedError, StageError
from medpipe.core.findings import CodedConcept, Maker, Measurement, flag
from medpipe.core.patient_record import PatientRecord
from medpipe.core.source import Source, SourceKind
from medpipe.core.volume import Volume
from medpipe.runs.stage import Good, Params, Resource, Stage, StageContext

CALLS = "TOY_CALLS"
"""Environment variable: the file that gets a line for each call of a stage."""

SECRET = "Mustermann^Erika"

_ERRORS = {
    "refuse": RefusedError(Code.E_GAP, "A slice is missing", found="5.00 mm"),
    "error": KeyError(SECRET),
    "retryable": StageError(Code.E_STAGE, "It did not work"),
    "memory": MemoryError(),
    "disk full": OSError(errno.ENOSPC, "No space left on device", f"/out/{SECRET}"),
    "unreadable": OSError(errno.EIO, "Input/output error", f"/in/{SECRET}"),
    "exit": SystemExit(3),
}


class ToyParams(Params):
    """Parameters of all toy stages.

    Attributes:
        trouble: What goes wrong.
        only: Unit that it goes wrong for; empty for all.
        value: Number that the stage measures.
        flagged: Whether it raises a flag.
    """

    trouble: Literal[
        "none",
        "refuse",
        "error",
        "retryable",
        "memory",
        "disk full",
        "unreadable",
        "exit",
        "kill",
        "kill once",
        "fail once",
        "hang",
        "document",
    ] = "none"
    only: str = ""
    value: float = 1.0
    flagged: bool = False


class _Toy(Stage):
    version: ClassVar[str] = "1"
    resource: ClassVar[Resource] = Resource.CPU
    takes: ClassVar[frozenset[Good]] = frozenset()
    gives: ClassVar[frozenset[Good]] = frozenset()
    params_type: ClassVar[type[Params]] = ToyParams

    def __init__(self, params: ToyParams) -> None:
        self._params = params

    def _begin(self, context: StageContext) -> None:
        with Path(os.environ[CALLS]).open("a") as file:
            file.write(f"{self.name} {context.unit.id}\n")
        if self._params.only in ("", context.unit.id):
            self._go_wrong(context)

    def _go_wrong(self, context: StageContext) -> None:
        trouble = self._params.trouble
        if trouble in _ERRORS:
            raise _ERRORS[trouble]
        if trouble == "fail once" and self._is_first(context):
            raise _ERRORS["retryable"]
        if trouble == "kill" or (trouble == "kill once" and self._is_first(context)):
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "hang":
            time.sleep(600)

    def _is_first(self, context: StageContext) -> bool:
        marker = Path(f"{os.environ[CALLS]}.{context.unit.id}")
        is_first = not marker.exists()
        marker.touch()
        return is_first

    def document(self, case: Case, folder: Path, context: StageContext) -> None:
        (folder / f"{self.name}.txt").write_text("a document")
        if self._params.trouble == "document":
            raise ValueError("no document")

    def _measured(self, value: float) -> Measurement:
        return Measurement(
            id=f"{self.name}/value",
            code=CodedConcept(scheme="99TOY", value="value", meaning="Value"),
            made_by=self.maker,
            name="value",
            value=value,
            unit="1",
        )


class ToyRead(_Toy):
    """Makes a volume whose content is the unit's fingerprint."""

    name: ClassVar[str] = "read"
    resource: ClassVar[Resource] = Resource.IO
    gives: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        array = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(1, 2, 3, 4)
        source = Source(kind=SourceKind.NIFTI, sha256=context.unit.fingerprint)
        volume = Volume(array, np.diag([2.0, 3.0, 4.0, 1.0]), "CT", source)
        return case.with_(images={"image": volume}, sources={"image": source})


class ToyMeasure(_Toy):
    """Adds one of everything that a study folder keeps."""

    name: ClassVar[str] = "measure"
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FINDINGS, Good.MASKS, Good.FIGURES, Good.TABLES})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        labels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4) * 100
        flags = (flag(Code.W_BOUNDS, "It touches", found="left", made_by=self.maker),)
        return case.adding(
            findings=(self._measured(self._params.value / 3),),
            flags=flags if self._params.flagged else (),
            figures=(Figure("toy", "A toy", "How to read it", b"RIFF toy", "a toy"),),
        ).with_(
            masks={"toy": Mask(labels, "image", {100: "one", 200: "two"})},
            tables={"toy": pa.table({"patient": ["a", "b"], "risk": [0.25, None]})},
            cards={Maker(name="toy-model", version="1.0.0"): "# A toy\n"},
        )


class ToySum(_Toy):
    """Reads what the stage before gave: findings, masks and tables."""

    name: ClassVar[str] = "sum"
    takes: ClassVar[frozenset[Good]] = frozenset({Good.MASKS})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FINDINGS})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        total = float(case.masks["toy"].labels.sum()) + len(case.tables["toy"]) + len(case.findings)
        return case.adding(findings=(self._measured(total * self._params.value),))


class ToyShift(_Toy):
    """Changes the image, which study folders do not keep."""

    name: ClassVar[str] = "shift"
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        image = case.images["image"]
        assert isinstance(image, Volume)
        return case.with_(images={"image": image.with_array(image.array + 1)})


class ToyMean(_Toy):
    """Measures the mean of the image."""

    name: ClassVar[str] = "mean"
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FINDINGS})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        image = case.images["image"]
        assert isinstance(image, Volume)
        return case.adding(findings=(self._measured(float(image.array.mean()) + context.seed % 1000),))


class ToyLook(_Toy):
    """Measures how many views it is asked for."""

    name: ClassVar[str] = "look"
    takes: ClassVar[frozenset[Good]] = frozenset({Good.VOLUME})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.FINDINGS})
    answers: ClassVar[frozenset[Good]] = frozenset({Good.VIEWS})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        return case.adding(findings=(self._measured(case.views.copies if case.views else 0),))


class ToyRecords(_Toy):
    """Reads the patients of a record shard from a table of events."""

    name: ClassVar[str] = "read-records"
    resource: ClassVar[Resource] = Resource.IO
    gives: ClassVar[frozenset[Good]] = frozenset({Good.RECORDS})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        (path,) = context.unit.files
        events = pyarrow.parquet.read_table(path).to_pylist()
        records = []
        for patient in sorted({event["patient"] for event in events}):
            own = [event for event in events if event["patient"] == patient]
            records.append(
                PatientRecord(
                    patient_id=patient,
                    time_h=np.array([event["time_h"] for event in own], dtype=np.float64),
                    codes=np.array([event["code"] for event in own]),
                    values=np.array([event["value"] for event in own], dtype=np.float64),
                )
            )
        return case.with_(records=tuple(records))


class ToyMaxima(_Toy):
    """Gives a table with the highest value of each patient."""

    name: ClassVar[str] = "maxima"
    takes: ClassVar[frozenset[Good]] = frozenset({Good.RECORDS})
    gives: ClassVar[frozenset[Good]] = frozenset({Good.TABLES})

    def __call__(self, case: Case, context: StageContext) -> Case:
        self._begin(context)
        table = pa.table(
            {
                "patient": [record.patient_id for record in case.records],
                "maximum": [float(record.values.max()) for record in case.records],
            }
        )
        return case.with_(tables={"maxima": table})


CATALOGUE = {
    kind.name: f"toy_stages:{kind.__name__}"
    for kind in (ToyRead, ToyMeasure, ToySum, ToyShift, ToyMean, ToyLook, ToyRecords, ToyMaxima)
}
