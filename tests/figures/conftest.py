"""Figures read back, and labels with curves."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medpipe.core.case import Figure
from medpipe.core.findings import CodedConcept, Label, Maker


@pytest.fixture
def pixels_of() -> Callable[[Figure], np.ndarray]:
    """Return a function that decodes a figure to ``(rows, columns, 3)`` integers."""
    return lambda figure: np.asarray(Image.open(BytesIO(figure.webp)).convert("RGB")).astype(int)


@pytest.fixture
def label_of() -> Callable[..., Label]:
    """Return a function that builds a label from its curve; the study is as probable as its highest slice."""

    def build(name: str, *curve: float, threshold: float = 0.5, **changes: Any) -> Label:
        fields: dict[str, Any] = {
            "id": f"classify/{name}",
            "code": CodedConcept(scheme="99MEDPIPE", value=name, meaning=name),
            "made_by": Maker(name="head-ct", version="1.0.0"),
            "probability": max(curve, default=threshold),
            "threshold": threshold,
            "slice_probabilities": curve,
        }
        return Label(**{**fields, **changes})

    return build
