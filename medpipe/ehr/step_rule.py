"""When the steps of a stay end: the moments at which a forecast is made."""

from pydantic import PositiveFloat

from medpipe.core.affine import Array
from medpipe.core.findings import Value
from medpipe.ehr.bucketing import step_ends
from medpipe.ehr.hospital_stays import HospitalStay


class StepRule(Value):
    """Steps of equal length from the admission on.

    Attributes:
        bucket_h: Hours of a step.
        from_admission: Whether the first step ends at the admission itself, as in tables that have a row for
            hour 0; otherwise it ends a bucket later.
    """

    bucket_h: PositiveFloat
    from_admission: bool = False

    @property
    def words(self) -> str:
        """The rule, for people."""
        return f"every {self.bucket_h:g} h from {'the' if self.from_admission else 'after the'} admission on"

    def ends_of(self, stay: HospitalStay) -> Array:
        """Return ``(T,)`` hours of the record at which the steps of a stay end; T may be 0."""
        start_h = stay.admission_h - self.bucket_h if self.from_admission else stay.admission_h
        return step_ends(start_h, stay.end_h, self.bucket_h)
