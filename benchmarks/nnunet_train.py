"""Train a small nnU-Net with nnU-Net itself, for ``benchmarks/nnunet_agreement.py``.

Twenty crops of Task04 of the Decathlon, a few epochs of a few steps, on the CPU: a model that labels the
hippocampus, not one that labels it well. The folder of the trained model is printed.

Run with the Python of an environment that has nnunetv2:
``python benchmarks/nnunet_train.py IMAGES LABELS WORK [--epochs 3] [--steps 60]``
"""

import argparse
import json
import os
import shutil
from pathlib import Path

NUM_CASES = 20
DATASET = "Dataset004_Hippocampus"
ENDING = ".nii.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("work", type=Path, help="folder that is made")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    folders = {name: given.work / name for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    # nnU-Net reads its folders from the environment when it is imported.
    os.environ.update({name: str(folder) for name, folder in folders.items()})
    write_cases(given.images, given.labels, folders["nnUNet_raw"] / DATASET)
    print(train(folders["nnUNet_preprocessed"] / DATASET, epochs=given.epochs, steps=given.steps))


def write_cases(images: Path, labels: Path, folder: Path) -> None:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for image in sorted(images.glob(f"*{ENDING}"))[:NUM_CASES]:
        shutil.copy(image, folder / "imagesTr" / image.name.replace(ENDING, f"_0000{ENDING}"))
        shutil.copy(labels / image.name, folder / "labelsTr" / image.name)
    content = {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, "Anterior": 1, "Posterior": 2},
        "numTraining": NUM_CASES,
        "file_ending": ENDING,
    }
    (folder / "dataset.json").write_text(json.dumps(content))


def train(folder: Path, *, epochs: int, steps: int) -> str:
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    number = int(DATASET[7:10])
    extract_fingerprints([number], num_processes=1)
    plan_experiments([number])
    preprocess([number], configurations=["3d_fullres"], num_processes=[1])
    # Augmentation without processes of its own; the planner does not take 0.
    os.environ.update({"nnUNet_n_proc_DA": "0"})
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    dataset = json.loads((folder / "dataset.json").read_text())
    trainer = nnUNetTrainer(
        {**plans, "continue_training": False}, "3d_fullres", "all", dataset, device=torch.device("cpu")
    )
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = (
        epochs,
        steps,
        1,
    )
    trainer.run_training()
    return str(trainer.output_folder_base)


if __name__ == "__main__":
    main()
