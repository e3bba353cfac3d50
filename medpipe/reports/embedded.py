"""Charts and links as a page holds them: pixels inside the page, links that stay below it."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from medpipe.core.case import Figure


@dataclass(frozen=True)
class EmbeddedChart:
    """A chart as a template shows it; ``uri`` holds its bytes."""

    title: str
    caption: str
    alt: str
    uri: str


def embed_chart(figure: Figure) -> EmbeddedChart:
    """Return a chart with its pixels as a data URI."""
    uri = "data:image/webp;base64," + b64encode(figure.webp).decode()
    return EmbeddedChart(figure.title, figure.caption, figure.alt, uri)


def safe_link(target: str) -> str:
    """Return a relative link without scheme that stays below the page; empty for anything else."""
    path = PurePosixPath(target)
    if not target or path.is_absolute() or ".." in path.parts:
        return ""
    return "./" + quote(str(path), errors="surrogateescape")
