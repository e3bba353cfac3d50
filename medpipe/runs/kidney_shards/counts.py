"""Counts of a shard: patients, stays, where every row went, who was refused and why."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from medpipe.core.codes import Code
from medpipe.core.findings import CodedConcept, Maker, Measurement, QualityFlag, flag
from medpipe.ehr.harmonise import RefusedPatient
from medpipe.ehr.record_counts import RecordCounts
from medpipe.runs.kidney_shards.policy import AlertChoice

COUNTS: Final = "counts.json"
"""Name of the file."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "without_time": "no time",
    "unknown_codes": "code not known",
    "without_value": "no number",
    "unknown_units": "unit not known",
    "suspect_units": "unit in doubt",
    "out_of_limits": "beyond what can be",
    "duplicates": "there twice",
    "merged": "merged into a median",
    "summed": "added to a sum",
}
"""Why a row is no event of its own, by the name of its count, in words."""

_SHOWN: Final = 3


@dataclass
class ShardCounts:
    """What became of a shard.

    Attributes:
        made_by: Model package.
        choice: What alerts are of.
        source: Form of the records.
        predicates: Meanings of their codes.
        rows: Where the rows of the records went that were not refused.
        patients: Patients, refused ones included.
        records: Records, refused ones included.
        refused: Records that are left out.
        stays: Stays with a forecast.
        steps: Their steps.
        without_steps: Records without a stay that lasts a step.
        alerted: Stays with an alert.
        alerts: Alerts.
        onsets: Stays with a known injury.
        beyond: Stays beyond those that the model was trained on, by what they are beyond in.
    """

    made_by: Maker
    choice: AlertChoice
    source: str
    predicates: str
    rows: RecordCounts = field(default_factory=RecordCounts)
    patients: set[str] = field(default_factory=set)
    records: int = 0
    refused: list[RefusedPatient] = field(default_factory=list)
    stays: int = 0
    steps: int = 0
    without_steps: int = 0
    alerted: int = 0
    alerts: int = 0
    onsets: int = 0
    beyond: Counter[str] = field(default_factory=Counter)

    def data(self) -> dict[str, Any]:
        """Return the content of ``counts.json``."""
        rows = self.rows
        refused_rows = sum(item.num_rows for item in self.refused)
        policy = self.choice.policy
        return {
            "model": f"{self.made_by.name} {self.made_by.version}",
            "alerts_of": {
                "horizon_h": self.choice.horizon_h,
                "threshold": policy.threshold,
                "refractory_h": policy.refractory_h,
                "max_per_day": policy.max_per_day,
            },
            "source": self.source,
            "predicates": self.predicates,
            "patients": len(self.patients),
            "records": self.records,
            "stays": self.stays,
            "steps": self.steps,
            "alerted_stays": self.alerted,
            "alerts": self.alerts,
            "stays_with_onset": self.onsets,
            "records_without_steps": self.without_steps,
            "records_without_labs": rows.without_labs,
            "stays_beyond_training": _sorted(self.beyond),
            "rows": {
                "read": rows.rows + refused_rows,
                "kept": rows.kept,
                "left_out": {name: _total(getattr(rows, name)) for name in LEFT_OUT},
                "of_refused_patients": refused_rows,
            },
            **{
                name: _sorted(getattr(rows, name))
                for name in (
                    *("unknown_codes", "without_value", "unknown_units", "suspect_units"),
                    *("out_of_limits", "conversions", "refused_statics"),
                )
            },
            "refused": [
                {
                    "patient": item.patient_id,
                    "rows": item.num_rows,
                    "code": item.error.code.value,
                    "message": str(item.error),
                }
                for item in self.refused
            ],
        }

    def text(self) -> str:
        """Return ``counts.json``, equal for equal counts."""
        return json.dumps(self.data(), indent=1, ensure_ascii=False) + "\n"

    def flags(self) -> tuple[QualityFlag, ...]:
        """Return what a reader of the shard must know."""
        return tuple(
            flag(code, message, found=found, made_by=self.made_by) for code, message, found in self._remarks()
        )

    def measurements(self) -> tuple[Measurement, ...]:
        """Return the numbers by which shards are compared."""
        numbers = {
            "patients": len(self.patients),
            "stays": self.stays,
            "stays with an alert": self.alerted,
            "refused records": len(self.refused),
        }
        return tuple(
            Measurement(
                id=f"{self.made_by.name}/{name.replace(' ', '_')}",
                code=CodedConcept(scheme="99MEDPIPE", value=name.replace(" ", "_"), meaning=name),
                made_by=self.made_by,
                name=name,
                value=float(value),
                unit="1",
            )
            for name, value in numbers.items()
        )

    def _remarks(self) -> Iterator[tuple[Code, str, str]]:
        if self.refused:
            reasons = Counter(item.error.code.value + ": " + item.error.what for item in self.refused)
            yield (
                Code.W_PATIENTS,
                f"{len(self.refused)} of {self.records} records are refused; the others were worked on",
                "; ".join(f"{count} {reason}" for reason, count in reasons.most_common(_SHOWN)),
            )
        doubtful = self.rows.unknown_units + Counter(
            {(name, ""): count for name, count in self.rows.suspect_units.items()}
        )
        if doubtful:
            yield (
                Code.W_UNIT,
                f"{doubtful.total()} values whose unit is unknown or in doubt were left out",
                "; ".join(f"{count} of {_key(key)}" for key, count in doubtful.most_common(_SHOWN)),
            )
        if self.rows.without_labs:
            yield (
                Code.W_NO_LABS,
                f"{self.rows.without_labs} of {self.records} records hold no laboratory value",
                self._unknown(),
            )
        if self.beyond:
            yield (
                Code.W_UNSEEN,
                "Stays lie beyond those that the model was trained on: their risks may be wrong",
                "; ".join(f"{count} {what}" for what, count in sorted(self.beyond.items())),
            )

    def _unknown(self) -> str:
        """Return how many rows have a code that the predicates do not know; empty where none has."""
        unknown = self.rows.unknown_codes.total()
        if not unknown:
            return ""
        known = f"the predicates {self.predicates!r} do not know the codes of"
        return f"{known} {unknown} of {self.rows.rows} rows"


def _total(count: "int | Counter[Any]") -> int:
    return count if isinstance(count, int) else count.total()


def _sorted(counter: Counter[Any]) -> dict[str, int]:
    """Return the largest first, those of one size by name."""
    return {_key(key): count for key, count in sorted(counter.items(), key=lambda i: (-i[1], _key(i[0])))}


def _key(key: object) -> str:
    return f"{key[0]} [{key[1]}]" if isinstance(key, tuple) else str(key)
