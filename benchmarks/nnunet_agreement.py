"""Do imported nnU-Net models label as nnU-Net's own predictor does?

Writes results/nnunet_agreement.json: the share of voxels with the same label, over all images, and the image
with the fewest. One trained model is compared on images that it has not seen; then its plans are changed, so
that its weights are used with other spacings, orientations, normalisations and sizes, on images to match. The
labels of such a model mean little, and their borders are harder to agree on than those of a good one.

nnU-Net runs in an environment of its own, on the CPU, with its defaults (half-precision accumulators, step of
half a patch), without and with mirroring.

Run: ``python benchmarks/nnunet_agreement.py --nnunet-python VENV/bin/python --model MODEL IMAGE...`` with a
model from ``benchmarks/nnunet_train.py``.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nibabel
import numpy as np
import numpy.typing as npt
import torch
from nibabel.nifti1 import Nifti1Image

from medpipe import load
from medpipe.core.body_axes import BODY_AXES
from medpipe.inference.segmenter import load_segmenter
from medpipe.zoo.foreign.nnunet import read_nnunet
from medpipe.zoo.writing import write_package

RESULTS = Path("benchmarks/results/nnunet_agreement.json")

PREDICT: Final = """
import json, sys, torch
from importlib.metadata import version
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
torch.set_num_threads(1)
for job in json.load(open(sys.argv[1])):
    predictor = nnUNetPredictor(use_mirroring=job["mirror"], device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(job["model"], (job["fold"],))
    predictor.predict_from_files_sequential([[image] for image in job["images"]], job["outputs"])
print(version("nnunetv2"))
"""
"""What nnU-Net's Python runs."""

Image = Nifti1Image
Change = Callable[[Image], Image]


@dataclass(frozen=True)
class Variant:
    """One comparison.

    Attributes:
        plans: Changes of the plans.
        configuration: Changes of the configuration in them.
        image: Change of each image.
        mirrored: Whether to compare with mirroring too; it takes eight times as long.
    """

    plans: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    image: Change = lambda image: image
    mirrored: bool = False


def turned(image: Image) -> Image:
    """Store the axes in another order, two of them the other way round."""
    turn = np.array([[2, -1], [0, 1], [1, -1]])
    return image.as_reoriented(turn)


def thick(image: Image) -> Image:
    """Keep every fourth slice."""
    return image.slicer[:, :, ::4]


def margins(image: Image) -> Image:
    """Put the image into a larger one of 0."""
    array = np.pad(np.asarray(image.dataobj), [(9, 4), (0, 11), (5, 6)])
    return Image(array, image.affine)


def mosaic(image: Image) -> Image:
    """Repeat the image, mirrored, to a size of several patches."""
    array = np.asarray(image.dataobj)
    for axis in range(3):
        array = np.concatenate([array, np.flip(array, axis)], axis)
    return Image(array, image.affine)


CT: Final = {"normalization_schemes": ["CTNormalization"]}
MASKED: Final = {"use_mask_for_norm": [True]}

VARIANTS: Final = {
    "as trained": Variant(mirrored=True),
    "finer spacing": Variant(configuration={"spacing": [0.8, 0.8, 0.8]}),
    "other spacing by axis": Variant(configuration={"spacing": [0.9, 1.2, 0.7]}),
    "several tiles": Variant(image=mosaic),
    "turned image, as it lies": Variant(image=turned, configuration={"spacing": [0.9, 1.2, 0.7]}),
    "turned image, permuted axes": Variant(
        plans={"transpose_forward": [1, 2, 0], "transpose_backward": [2, 0, 1]},
        configuration={"spacing": [0.9, 1.2, 0.7]},
        image=turned,
        mirrored=True,
    ),
    "turned image, reader that reorients": Variant(
        plans={"image_reader_writer": "NibabelIOWithReorient"},
        configuration={"spacing": [0.9, 1.2, 0.7]},
        image=turned,
    ),
    "thick slices made thin": Variant(image=thick),
    "thin slices made thick": Variant(configuration={"spacing": [4.0, 1.0, 1.1]}),
    "CT normalisation": Variant(configuration=CT),
    "margins of 0": Variant(image=margins, configuration={"spacing": [0.9, 1.1, 1.0]}),
    "margins of 0, normalised inside": Variant(image=margins, configuration=MASKED),
}


def changed_model(model: Path, folder: Path, variant: Variant) -> Path:
    """Copy a model with other plans."""
    shutil.copytree(model, folder)
    plans = json.loads((folder / "plans.json").read_text())
    plans.update(variant.plans)
    plans["configurations"]["3d_fullres"].update(variant.configuration)
    (folder / "plans.json").write_text(json.dumps(plans))
    return folder


def our_labels(model: Path, images: Sequence[Path], *, mirror: bool, scratch: Path) -> list[npt.NDArray[Any]]:
    foreign = read_nnunet(model, name="compared", licence="CC0-1.0")
    package = write_package(
        scratch / "compared",
        foreign.spec,
        foreign.state,
        card=foreign.card,
        licence=foreign.licence,
        replace=True,
    )
    segmenter = load_segmenter(package, mirror=BODY_AXES if mirror else ())
    return [segmenter.segment({"image": load(path)}).labels for path in images]


def shares(ours: Sequence[npt.NDArray[Any]], theirs: Sequence[Path]) -> dict[str, Any]:
    """Return how much two sets of label maps agree."""
    equal = total = labelled = 0
    worst = 1.0
    for label_map, path in zip(ours, theirs, strict=True):
        other = np.asarray(nibabel.load(path).dataobj)
        assert other.shape == label_map.shape
        same = int((other == label_map).sum())
        equal, total, labelled = equal + same, total + other.size, labelled + int((other > 0).sum())
        worst = min(worst, same / other.size)
    return {
        "equal_share": round(equal / total, 7),
        "least_of_an_image": round(worst, 7),
        "voxels": total,
        "labelled_share": round(labelled / total, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, nargs="+", help="NIfTI files that the model has not seen")
    parser.add_argument("--model", type=Path, required=True, help="Folder of plans.json and one fold")
    parser.add_argument("--nnunet-python", required=True, help="Python of an environment with nnunetv2")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--variant-images", type=int, default=3, help="images for all but the first")
    given = parser.parse_args()
    torch.set_num_threads(1)
    (fold,) = (
        path.parent.name.removeprefix("fold_") for path in given.model.glob("fold_*/checkpoint_final.pth")
    )
    jobs = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for number, key in enumerate(given.variants):
            variant = VARIANTS[key]
            model = changed_model(given.model, scratch / f"model{number}", variant)
            chosen = given.images if key == "as trained" else given.images[: given.variant_images]
            images = [scratch / f"{number}_{path.name}" for path in chosen]
            for source, target in zip(chosen, images, strict=True):
                nibabel.save(variant.image(nibabel.load(source)), target)
            for mirror in (False, True) if variant.mirrored else (False,):
                outputs = [scratch / f"out_{mirror}_{path.name.removesuffix('.nii.gz')}" for path in images]
                jobs.append((key, model, images, outputs, mirror))
        version = predict_with_nnunet(given.nnunet_python, scratch / "jobs.json", jobs, fold)
        rows = []
        for key, model, images, outputs, mirror in jobs:
            ours = our_labels(model, images, mirror=mirror, scratch=scratch)
            files = [path.with_name(f"{path.name}.nii.gz") for path in outputs]
            rows.append({"variant": key, "mirroring": mirror, "images": len(images), **shares(ours, files)})
            print(rows[-1], flush=True)
    summary = {"nnunetv2": version, "torch": torch.__version__, "device": "cpu", "rows": rows}
    RESULTS.write_text(json.dumps(summary, indent=1) + "\n")


def predict_with_nnunet(python: str, file: Path, jobs: Sequence[Any], fold: str) -> str:
    """Let nnU-Net predict everything; return its version."""
    listed = [
        {
            "model": str(model),
            "fold": fold,
            "images": [str(path) for path in images],
            "outputs": [str(path) for path in outputs],
            "mirror": mirror,
        }
        for _, model, images, outputs, mirror in jobs
    ]
    file.write_text(json.dumps(listed))
    done = subprocess.run([python, "-c", PREDICT, str(file)], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
