"""A builder of small study folders, and a reader of pages."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from medpipe.core.case import Figure
from medpipe.core.findings import Finding, FindingsRecord
from medpipe.core.source import GeometryCheck, GeometryNote, Source, SourceKind
from medpipe.io.study_folder import (
    FIGURE_LIST,
    FIGURES,
    FINDINGS,
    PROVENANCE,
    SOURCE,
    FigureEntry,
    FigureList,
    ImageSource,
    ImageSummary,
    Provenance,
    StageRecord,
    StudySource,
)

StudyBuilder = Callable[..., Path]
PageReader = Callable[[Path], "Page"]

_VOID = {"meta", "img", "input", "br"}


@dataclass
class Page:
    """A page as a parser sees it.

    Attributes:
        tags: Every start tag with its attributes, in order.
        text: All text outside style and script blocks.
        blocks: Content of each style and script block.
        markup: The file as it stands.
    """

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    blocks: dict[str, list[str]] = field(default_factory=lambda: {"style": [], "script": []})
    markup: str = ""

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of each element of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def policy(self) -> dict[str, str]:
        """The content-security policy by directive."""
        (content,) = (tag["content"] for tag in self.all("meta") if "http-equiv" in tag)
        return dict(part.strip().split(" ", 1) for part in content.split(";"))

    def assert_safe(self) -> None:
        """Check that the page holds only its own blocks and reaches nothing outside."""
        assert self.policy["default-src"] == "'none'"
        assert "unsafe" not in str(self.policy)
        for kind, blocks in self.blocks.items():
            allowed = [f"'sha256-{b64encode(sha256(block.encode()).digest()).decode()}'" for block in blocks]
            assert self.policy[f"{kind}-src"] == (" ".join(allowed) or "'none'")
        for tag, attributes in self.tags:
            assert tag not in {"link", "iframe", "object", "embed", "base", "form", "audio", "video"}
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            if "src" in attributes:
                assert attributes["src"].startswith("data:image/webp;base64,")
            assert attributes.get("href", "#").startswith(("#", "./"))
        assert "http:" not in self.markup
        assert "https:" not in self.markup


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.stack.append(tag)
        if tag in self.page.blocks:
            self.page.blocks[tag].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack
        assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in self.page.blocks:
            self.page.blocks[self.stack[-1]][-1] += data
        else:
            self.page.text += data


@pytest.fixture(scope="session")
def read_page() -> PageReader:
    """Return a function that parses a page and checks that every element is closed."""

    def read(path: Path) -> Page:
        reader = _Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        reader.close()
        assert reader.stack == []
        reader.page.markup = path.read_text(encoding="utf-8")
        return reader.page

    return read


@pytest.fixture
def build_study(tmp_path: Path) -> StudyBuilder:
    """Return a function that writes a study folder and returns its path."""

    def build(
        findings: Sequence[Finding] = (),
        *,
        study: str = "s-3f9c21d07a",
        raw_findings: Sequence[dict[str, Any]] = (),
        figures: Sequence[Figure] = (),
        notes: tuple[GeometryNote, ...] = (),
        acquisition: dict[str, str] | None = None,
        stages: tuple[StageRecord, ...] = (),
    ) -> Path:
        folder = tmp_path / "study"
        (folder / FIGURES).mkdir(parents=True, exist_ok=True)
        record = json.loads(FindingsRecord(study=study, findings=tuple(findings)).to_json())
        record["findings"] += raw_findings
        (folder / FINDINGS).write_text(json.dumps(record))
        image = ImageSource(
            summary=ImageSummary(
                form="volume",
                modality="CT",
                size=(512, 512, 40),
                spacing_mm=(0.5, 0.5, 5.0),
                orientation="LPS",
                extent_mm=(256.0, 256.0, 200.0),
            ),
            source=Source(
                kind=SourceKind.DICOM,
                sha256="ab" * 32,
                study_uid="1.2.3",
                series_uid="1.2.3.4",
                checks=(
                    GeometryCheck(
                        name="slices evenly spaced", passed=True, found="0.001 mm", limit="0.05 mm"
                    ),
                    GeometryCheck(
                        name="slices perpendicular", passed=False, found="15 degrees", limit="0.06"
                    ),
                ),
                notes=notes,
                acquisition=acquisition or {},
            ),
        )
        sources = StudySource(study=study, images={"image": image})
        (folder / SOURCE).write_text(sources.model_dump_json())
        provenance = Provenance(pipeline="measure", medpipe="0.1.0", libraries={"numpy": "2"}, stages=stages)
        (folder / PROVENANCE).write_text(provenance.model_dump_json())
        for figure in figures:
            (folder / FIGURES / f"{figure.name}.webp").write_bytes(figure.webp)
        entries = tuple(
            FigureEntry(
                name=figure.name,
                file=f"{figure.name}.webp",
                title=figure.title,
                caption=figure.caption,
                alt=figure.alt,
            )
            for figure in figures
        )
        (folder / FIGURE_LIST).write_text(FigureList(figures=entries).model_dump_json())
        return folder

    return build
