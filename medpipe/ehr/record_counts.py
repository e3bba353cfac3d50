"""What became of the rows of health records: counts that add up, over rows and over patients."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class RecordCounts:
    """Where every row went; the counts of two sets of patients add by ``+``.

    Attributes:
        patients: Records read.
        rows: Rows of their sources.
        kept: Events of the records.
        without_time: Rows without a time.
        unknown_codes: Rows whose code has no meaning here, by code.
        without_value: Rows of a variable that hold no number, by variable.
        unknown_units: Rows whose unit is not known or not stated, by variable and unit.
        suspect_units: Rows that state no unit and fit another one than was assumed, by variable.
        out_of_limits: Rows beyond what is believed, by variable.
        duplicates: Rows that repeat another one.
        merged: Rows that a median of one code and time took in, beyond the first.
        summed: Rows that a sum over sources of one time took in, beyond the first.
        conversions: Rows whose unit was changed, by variable and unit; they are counted above as well.
        without_labs: Records that hold no laboratory value.
        refused_statics: Statics that are not believed and were left out, by name; they are no rows.
    """

    patients: int = 0
    rows: int = 0
    kept: int = 0
    without_time: int = 0
    unknown_codes: Counter[str] = field(default_factory=Counter)
    without_value: Counter[str] = field(default_factory=Counter)
    unknown_units: Counter[tuple[str, str]] = field(default_factory=Counter)
    suspect_units: Counter[str] = field(default_factory=Counter)
    out_of_limits: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    merged: int = 0
    summed: int = 0
    conversions: Counter[tuple[str, str]] = field(default_factory=Counter)
    without_labs: int = 0
    refused_statics: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "RecordCounts") -> "RecordCounts":
        return RecordCounts(
            **{item.name: getattr(self, item.name) + getattr(other, item.name) for item in fields(self)}
        )

    @property
    def accounted(self) -> int:
        """Rows that went somewhere: always equal to :attr:`rows`."""
        refused = (
            self.unknown_codes,
            self.without_value,
            self.unknown_units,
            self.suspect_units,
            self.out_of_limits,
        )
        return (
            self.kept
            + self.without_time
            + sum(counter.total() for counter in refused)
            + self.duplicates
            + self.merged
            + self.summed
        )
