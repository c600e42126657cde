"""A whole page: a title, then titled sections, in one frame and one style.

No network, no font: the style is inside, and so are the pictures. A page to browse through
(`browse`) has a script, allowed by its hash, and pictures as files beside it.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from .text import escape_controls


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a page: `body` is HTML, `note` text; left out where `body` is empty."""

    title: str
    note: str
    body: str
    kind: str = ""
    """Classes of the style sheet, such as `verdict`."""

    @property
    def name(self) -> str:
        """The section's id on the page."""
        return re.sub(r"[^a-z]+", "-", self.title.lower())


def render_page(
    title: str,
    subtitle: str,
    sections: Iterable[Section],
    *,
    opening: str = "",
    script: str = "",
    style: str = "",
    connects: bool = False,
) -> str:
    r"""The page; `title` and `subtitle` are text, `opening` is HTML above the sections.

    With a `script` the page may show pictures that are files; where it `connects`, the script
    may ask the server that the page is from. `style` is added to that of all pages.

    Names of files that are not UTF-8 are shown with the bytes in question as `\udcfc`, control
    characters of names as `\x1b`.
    """
    folder = files(__package__)
    filled = Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        style=folder.joinpath("page.css").read_text(encoding="utf-8") + style,
        policy=_policy(script, connects=connects),
        script=f"<script>{script}</script>" if script else "",
        opening=opening,
        sections=render_sections(sections),
    )
    return escape_controls(filled.encode("utf-8", "backslashreplace").decode("utf-8"))


def _policy(script: str, *, connects: bool) -> str:
    """The Content-Security-Policy: no network but the own server, of scripts only this one."""
    if not script:
        return "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'" + ("; connect-src 'self'" if connects else "")
    )


def render_sections(sections: Iterable[Section]) -> str:
    """The sections as HTML, without those whose body is empty."""
    return "\n".join(_section(section) for section in sections if section.body)


def render_opening(sections: Iterable[Section], tiles: Iterable[str]) -> str:
    """Links to the sections, then the tiles (HTML) with the most important numbers."""
    return (
        f'<nav aria-label="On this page">{render_contents(sections)}</nav>\n'
        f'<div class="tiles">{"".join(tiles)}</div>'
    )


def render_contents(sections: Iterable[Section]) -> str:
    """Links to the sections."""
    return " ".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in sections if s.body)


def render_tile(title: str, number: str, *notes: str) -> str:
    """One important number under its title, with lines of small type; all are HTML."""
    small = "".join(f"<small>{note}</small>" for note in notes if note)
    return f'<div class="tile">{title}<b>{number}</b>{small}</div>'


def _section(section: Section) -> str:
    kind = f' class="{section.kind}"' if section.kind else ""
    note = f'<p class="soft">{escape(section.note)}</p>' if section.note else ""
    return (
        f'<section id="{section.name}"{kind}><h2>{escape(section.title)}</h2>{note}'
        f"{section.body}</section>"
    )
