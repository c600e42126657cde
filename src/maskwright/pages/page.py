"""A whole page: a title, then titled sections, in one frame and one style.

No script, no network, no font: pictures and style are inside.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template


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
        """Its id on the page."""
        return re.sub(r"[^a-z]+", "-", self.title.lower())


def page(title: str, subtitle: str, sections: Iterable[Section], *, opening: str = "") -> str:
    r"""The page; `title` and `subtitle` are text, `opening` is HTML that stands above all.

    Names of files that are no UTF-8 are shown with their odd bytes as `\udcfc`.
    """
    room = files(__package__)
    filled = Template(room.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        style=room.joinpath("page.css").read_text(encoding="utf-8"),
        opening=opening,
        sections=body(sections),
    )
    return filled.encode("utf-8", "backslashreplace").decode("utf-8")


def body(sections: Iterable[Section]) -> str:
    """The sections themselves."""
    return "\n".join(_section(section) for section in sections if section.body)


def _section(section: Section) -> str:
    kind = f' class="{section.kind}"' if section.kind else ""
    note = f'<p class="soft">{escape(section.note)}</p>' if section.note else ""
    return (
        f'<section id="{section.name}"{kind}><h2>{escape(section.title)}</h2>{note}'
        f"{section.body}</section>"
    )
