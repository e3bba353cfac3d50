"""The registry: networks from names and plain data."""

import pytest

from medpipe.core.errors import SettingsError
from medpipe.models.registry import NETWORKS, build_network, count_parameters
from medpipe.models.unet.model import UNet

NEEDED = {"in_channels": 1, "num_classes": 2}
LEVELS = {
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "encoder_blocks": [1, 1, 1],
    "decoder_convs": [1, 1],
}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NETWORKS
        if not name.startswith(("monai-", "slice-aggregator", "aki-", "boosted-trees"))
    ],
)
def test_every_name_builds(name: str) -> None:
    arguments = {**NEEDED, "channels": [2, 3, 4], **(LEVELS if name == "nnunet" else {})}
    assert count_parameters(build_network(name, arguments)) > 0


def test_arguments_are_data_as_json_gives_it() -> None:
    network = build_network("unet", {**NEEDED, "channels": [2, 3], "dims": 2})
    assert isinstance(network, UNet)
    assert [level.body[0].out_channels for level in network.encoder.levels] == [2, 3]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("unett", NEEDED, "Unknown network 'unett'. Did you mean 'unet'?"),
        ("unet", {**NEEDED, "channel": [2, 3]}, "unknown key 'channel'. Did you mean 'channels'?"),
        ("unet", {"in_channels": 1}, "network 'unet': the key 'num_classes' is missing"),
        ("unet", {**NEEDED, "channels": "wide"}, "'channels' is not valid .*found 'wide'"),
        ("unet", {**NEEDED, "dims": 4}, "dims of the U-Net must be 2 or 3: found 4"),
        ("dynunet", {**NEEDED, "convs_per_level": 1}, "unknown key 'convs_per_level'"),
    ],
)
def test_wrong_name_or_argument_is_refused(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        build_network(name, arguments)
