"""Packages on disk: what is read, what is refused, and what is loaded."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from medpipe.core.errors import MachineError, NoInputError, SettingsError
from medpipe.models.registry import build_network
from medpipe.zoo.package import FILES, WEIGHTS, Package, read_package
from medpipe.zoo.trial import verify_package


def edit_manifest(package: Package, **changes: Any) -> Package:
    """Change keys of a manifest on disk and read the package again."""
    file = package.path / "package.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return read_package(package.path)


def put_weights(package: Package, content: bytes) -> Package:
    """Replace the weights, with the sha256 and size that belong to them."""
    (package.path / WEIGHTS).write_bytes(content)
    weights = {
        **package.manifest.weights.model_dump(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "num_bytes": len(content),
    }
    return edit_manifest(package, weights=weights)


class TestReadPackage:
    def test_package_comes_back(self, spots: Package) -> None:
        again = read_package(spots.path)
        assert again == spots
        assert again.maker.name == "spots"
        assert again.card.startswith("# Spots")
        assert again.licence == "Public domain\n"
        assert list(again.file_sizes) == list(FILES)
        assert again.file_sizes["LICENSE"] == len("Public domain\n")

    def test_digest_follows_the_manifest(self, spots: Package) -> None:
        changed = edit_manifest(spots, version="1.0.1")
        assert changed.digest != spots.digest
        assert changed.digest == hashlib.sha256((spots.path / "package.json").read_bytes()).hexdigest()

    def test_absent_folder_is_no_input(self, tmp_path: Path) -> None:
        with pytest.raises(NoInputError, match="absent"):
            read_package(tmp_path / "absent")

    @pytest.mark.parametrize("name", FILES)
    def test_missing_file_is_named(self, spots: Package, name: str) -> None:
        (spots.path / name).unlink()
        with pytest.raises(SettingsError, match=f"must hold {name}"):
            read_package(spots.path)

    @pytest.mark.parametrize("name", ["setup.py", "model.pkl", "model.pt", "model.ts", "MODEL.PTH", "a.npy"])
    def test_code_beside_the_files_is_refused(self, spots: Package, name: str) -> None:
        (spots.path / name).write_bytes(b"x")
        with pytest.raises(SettingsError, match=f"could be code: found '{name}'"):
            read_package(spots.path)

    def test_any_other_file_or_folder_is_refused(self, spots: Package) -> None:
        (spots.path / "configs").mkdir()
        with pytest.raises(SettingsError, match="nothing else: found 'configs'"):
            read_package(spots.path)

    @pytest.mark.parametrize("name", FILES)
    def test_link_is_refused(self, spots: Package, tmp_path: Path, name: str) -> None:
        (spots.path / name).rename(tmp_path / "elsewhere")
        (spots.path / name).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(SettingsError, match=f"{name} must be a plain file: found a symbolic link"):
            read_package(spots.path)

    def test_pipe_in_place_of_a_file_is_refused_and_not_opened(self, spots: Package) -> None:
        (spots.path / "card.md").unlink()
        os.mkfifo(spots.path / "card.md")
        with pytest.raises(SettingsError, match=r"card\.md must be a plain file"):
            read_package(spots.path)

    def test_endless_text_is_refused(self, spots: Package) -> None:
        (spots.path / "card.md").write_text("x" * 1_000_001)
        with pytest.raises(SettingsError, match="too large for a text: found 1000001 bytes"):
            read_package(spots.path)

    def test_text_that_is_no_text_is_refused(self, spots: Package) -> None:
        (spots.path / "LICENSE").write_bytes(b"\xff\xfe")
        with pytest.raises(SettingsError, match="not UTF-8"):
            read_package(spots.path)

    def test_empty_licence_is_refused(self, spots: Package) -> None:
        (spots.path / "LICENSE").write_text(" \n")
        with pytest.raises(SettingsError, match="LICENSE is empty"):
            read_package(spots.path)

    def test_card_without_a_section_is_refused(self, spots: Package, card: str) -> None:
        (spots.path / "card.md").write_text(card.replace("## Limits", "## Praise"))
        with pytest.raises(SettingsError, match="'## Limits'"):
            read_package(spots.path)

    def test_cut_weights_are_seen_without_hashing(self, spots: Package) -> None:
        content = (spots.path / WEIGHTS).read_bytes()
        (spots.path / WEIGHTS).write_bytes(content[:-1])
        with pytest.raises(
            MachineError, match=f"found {len(content) - 1} bytes, expected {len(content)}"
        ) as caught:
            read_package(spots.path)
        assert caught.value.code == "E_PACKAGE"


class TestLoadNetwork:
    def test_network_is_that_of_the_state_to_float16(self, spots: Package, state: dict[str, Tensor]) -> None:
        network = spots.load_network()
        assert not network.training
        for name, tensor in network.state_dict().items():
            assert tensor.dtype is torch.float32
            torch.testing.assert_close(tensor, state[name].half().float(), rtol=0, atol=0)

    def test_half_keeps_float16(self, spots: Package) -> None:
        tensors = spots.load_network("cpu", half=True).state_dict().values()
        assert {tensor.dtype for tensor in tensors} == {torch.float16}

    def test_loading_leaves_the_random_generator_alone(self, spots: Package) -> None:
        torch.manual_seed(3)
        expected = torch.rand(2)
        torch.manual_seed(3)
        spots.load_network()
        torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)

    def test_one_flipped_bit_is_refused_naming_both_hashes(self, spots: Package) -> None:
        file = spots.path / WEIGHTS
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        found, expected = hashlib.sha256(content).hexdigest(), spots.manifest.weights.sha256
        with pytest.raises(
            MachineError, match=f"'spots'.*found sha256 {found}, expected {expected}.*Fetch the package again"
        ):
            spots.load_network()

    def test_weights_are_hashed_at_each_load(self, spots: Package, state: dict[str, Tensor]) -> None:
        spots.load_network()
        (spots.path / WEIGHTS).write_bytes(save({name: tensor.half() + 1 for name, tensor in state.items()}))
        with pytest.raises(MachineError, match="sha256"):
            spots.load_network()

    def test_weights_that_are_gone_are_a_machine_error(self, spots: Package) -> None:
        (spots.path / WEIGHTS).unlink()
        with pytest.raises(MachineError, match="No such file"):
            spots.load_network()

    def test_pickle_with_the_right_hash_is_not_read(self, spots: Package) -> None:
        payload = b"cos\nsystem\n(S'touch pwned'\ntR.".ljust(20_000, b"\0")
        package = put_weights(spots, payload)
        with pytest.raises(SettingsError, match="no safetensors file"):
            package.load_network()
        assert not Path("pwned").exists()

    def test_float32_weights_are_refused(self, spots: Package, state: dict[str, Tensor]) -> None:
        package = put_weights(spots, save(state))
        with pytest.raises(SettingsError, match=r"must be float16: found torch\.float32"):
            package.load_network()

    def test_missing_key_is_named(self, spots: Package, state: dict[str, Tensor]) -> None:
        name = sorted(state)[0]
        package = put_weights(spots, save({key: value.half() for key, value in state.items() if key != name}))
        with pytest.raises(SettingsError, match=f"{name}.*found nothing, expected"):
            package.load_network()

    def test_additional_key_is_named(self, spots: Package, state: dict[str, Tensor]) -> None:
        tensors = {key: value.half() for key, value in state.items()} | {"zz": torch.zeros(2).half()}
        with pytest.raises(SettingsError, match=r"'zz': found \(2,\), expected nothing"):
            put_weights(spots, save(tensors)).load_network()

    def test_unknown_network_is_answered_with_the_nearest(self, spots: Package) -> None:
        package = edit_manifest(spots, network={"name": "unit", "arguments": {}})
        with pytest.raises(SettingsError, match=r"Unknown network 'unit'.*Did you mean 'unet'"):
            package.load_network()

    def test_module_path_is_no_network(self, spots: Package) -> None:
        package = edit_manifest(spots, network={"name": "os.system", "arguments": {"command": "true"}})
        with pytest.raises(SettingsError, match=r"Unknown network 'os\.system'"):
            package.load_network()

    def test_arguments_that_another_library_cannot_take_are_refused(self, spots: Package) -> None:
        arguments = {"in_channels": 1, "num_classes": 3, "channels": [4]}
        package = edit_manifest(spots, network={"name": "dynunet", "arguments": arguments})
        with pytest.raises(SettingsError, match="'dynunet' cannot be built from its arguments"):
            package.load_network()

    def test_network_of_absurd_size_is_refused_before_it_is_allocated(self, spots: Package) -> None:
        arguments = {"in_channels": 1, "num_classes": 3, "channels": [100_000, 200_000]}
        package = edit_manifest(spots, network={"name": "unet", "arguments": arguments})
        with pytest.raises(SettingsError, match=r"found \d{12,}, expected 4763"):
            package.load_network()


class TestVerifyPackage:
    def test_valid_package_passes(self, spots: Package) -> None:
        verify_package(spots)

    def test_labels_that_the_network_does_not_give_are_seen(self, spots: Package) -> None:
        labels = [label.model_dump() for label in spots.manifest.labels[:1]]
        with pytest.raises(
            SettingsError, match=r"found shape \(1, 3, 16, 12, 8\), expected \(1, 2, 16, 12, 8\)"
        ):
            verify_package(edit_manifest(spots, labels=labels))

    def test_channels_that_the_network_does_not_take_are_seen(self, spots: Package) -> None:
        preprocessing = spots.manifest.preprocessing.model_dump(mode="json")
        (image,) = preprocessing["channels"]
        preprocessing["channels"] = [image, {**image, "name": "t2"}]
        with pytest.raises(SettingsError, match="does not take what its preprocessing gives"):
            verify_package(edit_manifest(spots, preprocessing=preprocessing))


def test_logits_are_close_to_those_before_packaging(spots: Package, state: dict[str, Tensor]) -> None:
    before = build_network("unet", spots.manifest.network.arguments)
    before.load_state_dict(state)
    images = torch.rand(1, 1, 16, 12, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = before.eval()(images).logits, spots.load_network()(images).logits
    # float16 keeps 11 bits of each weight: a few thousandths of logits of size 1.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)
