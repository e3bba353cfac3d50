"""Seconds by part, their medians and the peak of memory. Needs the standard library alone."""

import json
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

READ, PREPROCESS, FORWARD, LABELS, WRITE = "read", "preprocess", "forward", "resample and argmax", "write"


@dataclass
class Clock:
    """Seconds by part."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time inside to a part."""
        started = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - started


Segment = Callable[[Path, Path, Clock], None]
"""Segments a scan into a label map and says how long each part took."""


def print_medians(segment: Segment, scan: Path, *, repeats: int) -> None:
    """Segment a scan, once without counting, and print medians and this process's peak as a line of JSON."""
    clocks = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats + 1):
            clocks.append(Clock())
            segment(scan, Path(folder) / "mask.nii.gz", clocks[-1])
    counted = clocks[1:]
    parts = {part: statistics.median(clock.seconds[part] for clock in counted) for part in counted[0].seconds}
    whole = statistics.median(sum(clock.seconds.values()) for clock in counted)
    print(json.dumps({"whole_s": whole, "parts_s": parts, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """Return the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
