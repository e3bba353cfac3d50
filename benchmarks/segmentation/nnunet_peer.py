"""nnU-Net v2's predictor, its parts timed one after the other in one process.

Run by nnU-Net's own Python, which needs no medpipe: ``nnunet_peer.py JOB.json``, written by
:mod:`segmentation.nnunet_job`. Images are resampled with its default, cubic splines; logits linearly.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from segmentation.bands import banded
from segmentation.parts import FORWARD, LABELS, PREPROCESS, READ, WRITE, Clock, Segment, print_medians
from torch import nn


class Labeller(nn.Module):
    """nnU-Net's plain U-Net with the weights that it is given."""

    def __init__(self, job: dict[str, Any]) -> None:
        super().__init__()
        levels = len(job["channels"])
        self.unet = PlainConvUNet(
            1,
            levels,
            job["channels"],
            nn.Conv3d,
            3,
            [1] + [2] * (levels - 1),
            2,
            job["classes"],
            2,
            conv_bias=False,
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"negative_slope": 0.01, "inplace": True},
        )
        found = self.unet.load_state_dict(torch.load(job["weights"], weights_only=True), strict=False)
        assert not found.unexpected_keys
        # It lists the encoder and every convolution twice, and has heads for levels that nobody reads here.
        again = ("decoder.encoder.", "all_modules", "seg_layers")
        assert all(any(part in key for part in again) for key in found.missing_keys)
        self._bands = job["bands"]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        logits = self.unet(images)
        return banded(logits, images) if self._bands else logits


def predictor_of(job: dict[str, Any]) -> nnUNetPredictor:
    device = torch.device(job["device"])
    predictor = nnUNetPredictor(
        tile_step_size=1.0 - job["overlap"],
        use_mirroring=False,
        perform_everything_on_device=device.type == "cuda",
        device=device,
        allow_tqdm=False,
    )
    network = Labeller(job).eval()
    plans = PlansManager(job["plans"])
    configuration = plans.get_configuration("3d_fullres")
    state = network.state_dict()
    predictor.manual_initialization(
        network.to(device), plans, configuration, [state], job["dataset"], "nnUNetTrainer", None
    )
    return predictor


def nnunet(predictor: nnUNetPredictor) -> Segment:
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    preprocessor, files = DefaultPreprocessor(verbose=False), SimpleITKIO()

    def segment(scan: Path, mask: Path, clock: Clock) -> None:
        with clock.part(READ):
            image, properties = files.read_images([str(scan)])
        with clock.part(PREPROCESS):
            data, _, properties = preprocessor.run_case_npy(
                image, None, properties, plans, configuration, predictor.dataset_json
            )
        with clock.part(FORWARD):
            logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        with clock.part(LABELS):
            labels = convert_predicted_logits_to_segmentation_with_correct_shape(
                logits,
                plans,
                configuration,
                predictor.label_manager,
                properties,
                num_threads_torch=torch.get_num_threads(),
            )
        with clock.part(WRITE):
            files.write_seg(labels, str(mask), properties)

    return segment


if __name__ == "__main__":
    _job = json.loads(Path(sys.argv[1]).read_text())
    print_medians(nnunet(predictor_of(_job)), Path(_job["scan"]), repeats=_job["repeats"])
