"""Draw a sheet of copies by each augmentation recipe into ``docs/images/``: ``python docs/previews.py``.

The images are the MNI152 template (nilearn), a crop of its left hippocampus, and simulated ones: a head CT
and a radiograph of the chest.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from medpipe.core.findings import Laterality
from medpipe.core.volume import Volume
from medpipe.io.nifti import write_volume
from medpipe.io.template import load_mni
from medpipe.runs.augmentation import AugmentOptions, augment_scans
from medpipe.simulate.head_ct.beaded import tilted_head_ct
from medpipe.simulate.radiograph import chest_radiograph
from medpipe.transforms.registration import Registration
from medpipe.transforms.structure_crop import STRUCTURES, crop_structure

IMAGES = Path(__file__).parent / "images"
WIDTH = 1200
QUALITY = 70


def write_scans(folder: Path) -> dict[str, Path]:
    """Write one scan for each recipe and return its file by the recipe's name."""
    head = load_mni()
    straight = Registration(np.eye(4), metric=1.0, determinant=1.0, agreement_mm=0.0)
    crop = crop_structure(head, straight, STRUCTURES["hippocampus"], Laterality.LEFT, margin_mm=0.0)
    ct = tilted_head_ct().image
    assert isinstance(ct, Volume)
    files = {name: folder / f"{name}.nii.gz" for name in ("ct", "mr", "mr-brain", "mr-crop")}
    for name, volume in (("ct", ct), ("mr", head), ("mr-brain", head), ("mr-crop", crop.volume)):
        write_volume(files[name], volume)
    Image.fromarray(chest_radiograph()).save(folder / "xray.png")
    return {**files, "xray": folder / "xray.png"}


def main() -> None:
    """Draw all sheets."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for recipe, scan in write_scans(folder).items():
            sheet = folder / f"{recipe}-sheet.png"
            options = AugmentOptions(copies=4, seed=7, preview=sheet, device="cpu")
            augment_scans([scan], folder / f"{recipe}-copies", recipe=recipe, options=options)
            with Image.open(sheet) as picture:
                picture.thumbnail((WIDTH, WIDTH * 4))
                picture.save(IMAGES / f"augment_{recipe}.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
