"""How near does ``locate`` come to the hippocampus in posed heads, and how long does it take?

Writes results/locate.json. Copies of the MNI152 template at 1 mm are turned, scaled and shifted; the truth
is the pose. With ``--head`` a scan of a head with its skull is posed the same way: there the truth is where
the unposed head was found, so that the figure says how much the pose changes.

Run: ``python benchmarks/locate.py [--head head.nii.gz]``
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from medpipe import load
from medpipe.core.affine import Array, apply_affine
from medpipe.core.errors import RefusedError
from medpipe.core.findings import Laterality
from medpipe.core.volume import Volume
from medpipe.io.template import load_mni
from medpipe.transforms.registration import Registration, check_registration, register_head
from medpipe.transforms.structure_crop import STRUCTURES

RESULTS = Path("benchmarks/results/locate.json")
TEMPLATE_MM = 2
SMALL_DEGREES, LARGE_DEGREES = 15.0, 35.0
SCALES = (0.9, 1.1, 1.0)
SHIFT_MM = 30.0


@dataclass(frozen=True)
class Pose:
    """A turn about one axis of the world (0 R, 1 A, 2 S), a scale and a shift along another axis."""

    axis: int
    degrees: float
    scale: float

    def affine(self) -> Array:
        """Return the 4x4 affine that poses a head."""
        first, second = [axis for axis in range(3) if axis != self.axis]
        cosine, sine = np.cos(np.radians(self.degrees)), np.sin(np.radians(self.degrees))
        affine = np.eye(4)
        affine[[first, second], [first, second]] = cosine
        affine[first, second], affine[second, first] = -sine, sine
        affine[:3, :3] *= self.scale
        affine[first, 3] = np.copysign(SHIFT_MM, self.degrees)
        return affine


def poses() -> Iterator[Pose]:
    for axis, scale in enumerate(SCALES):
        for degrees in (SMALL_DEGREES, -LARGE_DEGREES):
            yield Pose(axis, degrees, scale)


def centres_mm(affine: Array) -> Array:
    hippocampus = STRUCTURES["hippocampus"]
    return apply_affine(affine, [hippocampus.centre_on(side) for side in (Laterality.LEFT, Laterality.RIGHT)])


def find(head: Volume) -> tuple[Registration, str, float, float]:
    """Return the result, why it was refused (empty if not), and seconds by the wall and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = register_head(head, load_mni(spacing_mm=TEMPLATE_MM))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    try:
        check_registration(result)
    except RefusedError as error:
        return result, str(error), wall, cpu
    return result, "", wall, cpu


def measure(name: str, head: Volume, truth: Array) -> Iterator[dict[str, object]]:
    for pose in poses():
        # Only the affine is posed: no interpolation blurs the copy, and its grid becomes oblique.
        result, refusal, wall, cpu = find(Volume(head.array, pose.affine() @ head.affine, "MR", head.source))
        off = centres_mm(result.head_from_template) - centres_mm(pose.affine() @ truth)
        row = {
            "head": name,
            **asdict(pose),
            "error_mm": round(float(np.linalg.norm(off, axis=1).max()), 2),
            "refused": refusal,
            "metric": round(result.metric, 3),
            "determinant": round(result.determinant, 3),
            "agreement_mm": round(result.agreement_mm, 2),
            "wall_s": round(wall, 2),
            "cpu_s": round(cpu, 2),
        }
        print(row)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head", type=Path, help="a T1 scan of a whole head with its skull")
    path = parser.parse_args().head
    load_mni(spacing_mm=TEMPLATE_MM)
    rows = list(measure("MNI152 template, 1 mm", load_mni(), np.eye(4)))
    if path is not None:
        head = load(path)
        result, refusal, _, _ = find(head)
        assert not refusal, refusal
        rows += measure(path.name, head, result.head_from_template)
    kept = [row for row in rows if not row["refused"]]
    summary = {
        "machine": f"{platform.machine()}, one thread",
        "largest_error_mm": {
            f"{limit:g} degrees": max(row["error_mm"] for row in kept if abs(row["degrees"]) == limit)
            for limit in (SMALL_DEGREES, LARGE_DEGREES)
        },
        "refused": len(rows) - len(kept),
        "median_cpu_s": float(np.median([row["cpu_s"] for row in rows])),
        "poses": rows,
    }
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
