"""medpipe, as its users have it: from Python, and as a run that leaves a folder a study."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medpipe.core.slice_stack import SliceStack
from medpipe.inference.classifier import Classifier
from medpipe.io.load import read_series
from medpipe.io.series import Form
from medpipe.io.tree import index_tree
from medpipe.runs.options import RunOptions
from medpipe.runs.single import run_stage


def answers(classifier: Classifier, folders: Sequence[Path]) -> Iterator[Tensor]:
    """Yield the probabilities of each study and of its slices: indexed, proven, hashed, read, classified."""
    for folder in folders:
        (study,) = index_tree([folder]).studies
        (series,) = study.series
        stack = read_series(series, form=Form.SLICES)
        assert isinstance(stack, SliceStack)
        answer = classifier.classify(stack).answer
        yield torch.cat([answer.logits.sigmoid()[None], answer.slice_probs])


def run_s(package: Path, scans: Path, device: str) -> float:
    """Return the seconds from one finished study to the next in a run as it comes, a worker a core or a GPU.

    A worker reads the next study and writes the last one while it computes. The slope leaves out what
    starting takes, and the first quarter of the studies. Each gets findings, a curve and its HTML page.
    """
    with tempfile.TemporaryDirectory() as folder:
        params = {"package": str(package), "key_slices": 0}
        options = RunOptions(device)
        summary = run_stage("classify", [scans], Path(folder) / "run", params=params, options=options)
        ends = sorted(os.stat(path).st_mtime for path in summary.folder.glob("studies/*/findings.json"))
    assert len(ends) == sum(summary.counts.values()), "not every study was finished"
    late = ends[len(ends) // 4 :]
    return float(np.polyfit(np.arange(len(late)), late, 1)[0])
