"""Compiled networks: the same logits, kept for the next process; eager where there is no compiler."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from medpipe.core.settings import environment_with
from medpipe.inference.compiled import compile_network, is_compiled
from medpipe.inference.tiling import TileForward, Tiling, predict_logits
from medpipe.models.registry import build_network

PATCH = (8, 12, 8)
SHAPES = [(1, 1, *PATCH), (2, 1, *PATCH)]

_COUNT_MISSES = """
import torch
from medpipe.inference.compiled import compile_network, is_compiled
from medpipe.models.registry import build_network
network = build_network("unet", {"in_channels": 1, "num_classes": 2, "channels": [2, 4]})
torch.nn.init.ones_(network.mask_head.levels[0].weight)
compile_network(network, [(1, 1, 4, 4, 4)])
from torch._dynamo.utils import counters  # sets the folder itself where nobody has
print(is_compiled(network), counters["inductor"]["fxgraph_cache_hit"])
"""


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return build_network("unet", {"in_channels": 1, "num_classes": 3, "channels": [4, 6]}).eval()


def test_without_a_compiler_the_network_stays_eager_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    plain = network()
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}), caplog.at_level(logging.WARNING):
        compile_network(plain, SHAPES)
    assert not is_compiled(plain)
    assert "without being compiled" in caplog.text
    image = torch.randn(1, *PATCH, generator=torch.Generator().manual_seed(1))
    tiling = Tiling(PATCH)
    found, expected = (predict_logits(TileForward(item, tiling), image) for item in (plain, network()))
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
def test_compiled_logits_are_those_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compiled = network()
    compile_network(compiled, SHAPES)
    assert is_compiled(compiled)
    images = torch.randn(1, 8, 20, 20, generator=torch.Generator().manual_seed(1))
    tiling = Tiling(PATCH, batch_size=2, mirror_axes=(1,))
    with torch.compiler.set_stance("fail_on_recompile"):
        found = predict_logits(TileForward(compiled, tiling), images)
    torch.testing.assert_close(
        found, predict_logits(TileForward(network(), tiling), images), rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
def test_second_process_does_not_compile_again(tmp_path: Path) -> None:
    environment = environment_with(XDG_CACHE_HOME=str(tmp_path))
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)
    command = [sys.executable, "-c", _COUNT_MISSES]
    said = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert said == [["True", "0"], ["True", "1"]]
    assert (tmp_path / "medpipe" / "inductor").is_dir()
