"""Self-contained pages: everything escaped, nothing loaded, scripts and styles allowed by their hash."""

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from medpipe.core.findings import NOT_FOR_DIAGNOSIS
from medpipe.reports.numbers import format_count, format_number, format_quantity
from medpipe.reports.texts import panel_text

_TEMPLATES: Final = Path(__file__).parent / "templates"

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
"""Characters that cannot stand in HTML, cannot be encoded, or turn text around unseen."""


def render_page(template: str, context: Mapping[str, object], *, script: str = "") -> str:
    """Fill in a template.

    Args:
        template: File name in ``templates/``.
        context: Values; every one is escaped, and characters that cannot be seen are spelt out.
        script: File name in ``templates/`` of a script to inline; empty for none.
    """
    style_text = _read("style.css")
    script_text = _read(script) if script else ""
    return (
        _environment()
        .get_template(template)
        .render(
            context,
            notice=NOT_FOR_DIAGNOSIS,
            csp=_policy(style_text, script_text),
            style=Markup(style_text),
            script=Markup(script_text),
        )
    )


def visible_text(value: object) -> object:
    """Spell out characters that cannot be seen, such as U+202E, which reverses what follows."""
    if isinstance(value, Markup):
        return value
    return _UNSEEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", str(value))


def _policy(style: str, script: str) -> str:
    """Return a content-security policy that allows this page's own blocks and nothing else."""
    parts = [
        "default-src 'none'",
        "img-src data:",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'" if script else "script-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(parts)


def _hash(block: str) -> str:
    return "sha256-" + b64encode(sha256(block.encode()).digest()).decode()


@lru_cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=format_number)
    environment.globals.update(panel_text=panel_text, counted=format_count, quantity=format_quantity)
    return environment
