"""Export of a package as a MONAI bundle."""

import io
import json
from pathlib import Path

import torch

from medpipe.core.codes import Code
from medpipe.core.errors import SettingsError
from medpipe.io.atomic import atomic_folder
from medpipe.zoo.bundle_files import bundle_inference, bundle_metadata, bundle_readme
from medpipe.zoo.manifest import MANIFEST, manifest_text
from medpipe.zoo.package import LICENCE, Package


def export_bundle(package: Package, folder: Path) -> None:
    """Write a package as a folder that ``monai.bundle`` loads, and that comes back as the same package.

    The manifest lies among the configurations: labels' codes and the mirrored side have no place in MONAI's.

    Args:
        package: What is exported; its weights are hashed first.
        folder: The bundle; it must not exist.

    Raises:
        SettingsError: The folder exists, or MONAI cannot do what the preprocessing asks.
        MachineError: The weights are damaged, or the disk cannot be written; nothing is left behind.
    """
    if folder.exists():
        raise SettingsError(
            Code.E_OUTPUT, "The bundle's folder exists already", found=str(folder), fix="Choose another."
        )
    manifest = package.segmentation
    configs = {"metadata": bundle_metadata(manifest), "inference": bundle_inference(manifest)}
    weights = io.BytesIO()
    torch.save(package.load_network().state_dict(), weights)
    with atomic_folder(folder) as staged:
        for name in ("configs", "models", "docs"):
            (staged / name).mkdir()
        for name, content in configs.items():
            text = json.dumps(content, indent=4, ensure_ascii=False) + "\n"
            (staged / "configs" / f"{name}.json").write_text(text, encoding="utf-8")
        (staged / "configs" / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
        (staged / "models" / "model.pt").write_bytes(weights.getvalue())
        (staged / "docs" / "README.md").write_text(bundle_readme(manifest, package.card), encoding="utf-8")
        (staged / LICENCE).write_text(package.licence, encoding="utf-8")
