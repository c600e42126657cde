"""What compression found: text, JSON, a picture of the Pareto front, and a page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from ...core.versioned import Document, Schema
from ...inference.bench.bench import Bench
from ...pages.markup import data_uri, render_table
from ...pages.page import Section, render_opening, render_page, render_tile
from ...pages.scatter import NARROW_PX, WIDE_PX, Dot, draw_scatter_file
from ...pages.text import format_count, format_number, format_size, text_table
from .candidates import Candidate, Wish, find_front

DOCUMENT = "compress.json"
SCHEMA = Schema(kind="compress", version=1)

_HEADS = (
    "",
    "engine",
    "precision",
    "ms",
    "x torch",
    "mIoU",
    "lost",
    "pixels equal",
    "MB",
    "file MB",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """All candidates, and the chosen one; scores are those on `num_images` of `split`."""

    model: str
    data: str
    split: str
    num_images: int
    wish: Wish
    bench: Bench
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    notes: tuple[str, ...]

    @property
    def front(self) -> tuple[str, ...]:
        """The names of the candidates on the Pareto front, the fastest first."""
        return tuple(one.name for one in find_front(self.candidates))

    @property
    def is_met(self) -> bool:
        """Whether the chosen candidate is fast enough and keeps the score."""
        return self.wish.is_met_by(self.chosen)

    @property
    def verdict(self) -> str:
        """One sentence."""
        wish, chosen = self.wish, self.chosen
        found = f"{chosen.name}: {chosen.ms:.1f} ms, {_describe_drop(chosen)}"
        wanted = f"{wish.target_ms:g} ms with at most {wish.max_drop_points:g} points lost"
        if self.is_met:
            return f"{found}; wanted were {wanted}"
        return (
            f"nothing reaches {wanted}; nearest is {found}: train int8 (--qat 10m), or "
            f"compress a smaller network, one with channels removed (maskwright prune) or one "
            f"that learns from this one (maskwright distil), or allow more"
        )

    def draw(self, width_px: int = WIDE_PX) -> str:
        """The picture of `draw_candidates`."""
        return draw_candidates(self.candidates, self.chosen, self.wish, width_px)

    def to_json(self) -> Document:
        """The document of `compress.json`."""
        content = asdict(self) | {"bench": self.bench.to_json()}
        return SCHEMA.stamp(content | {"front": list(self.front), "is_met": self.is_met})


def list_lines(found: Compression) -> list[str]:
    """The table, the setting, the notes and the verdict."""
    lines = text_table(_HEADS, _list_rows(found), words=(0, 1, 2))
    return [*lines, "", _describe(found), *found.notes, found.verdict]


def write_files(found: Compression, folder: Path) -> None:
    """Write page, JSON and picture into a folder."""
    texts = {
        "index.html": _render(found),
        "front.svg": found.draw(),
        DOCUMENT: json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def draw_candidates(
    candidates: Sequence[Candidate], chosen: Candidate, wish: Wish, width_px: int = WIDE_PX
) -> str:
    """Draw mIoU against time as an SVG file, with the Pareto front and the wanted time."""
    front = find_front(candidates)
    dots = [
        Dot(
            name=one.name,
            x=one.ms,
            y=100 * one.miou,
            is_marked=one == chosen,
            is_on_line=one in front,
        )
        for one in candidates
    ]
    names = "ms for one image", "mIoU, %"
    return draw_scatter_file(
        "mIoU in % against ms", dots, names, limit_x=wish.target_ms, width_px=width_px
    )


def _list_rows(found: Compression) -> list[tuple[str, ...]]:
    front, ranked = found.front, sorted(found.candidates, key=lambda one: one.ms)
    return [
        (
            "chosen" if one == found.chosen else "front" if one.name in front else "",
            one.engine,
            one.precision,
            format_number(one.ms, 1),
            format_number(one.times_torch, 2),
            format_number(100 * one.miou, 2),
            format_number(one.drop_points, 2),
            f"{one.equal_pixel_share:.2%}",
            format_number(one.memory_mb),
            format_number(one.size_mb, 1),
        )
        for one in ranked
    ]


def _describe(found: Compression) -> str:
    bench = found.bench
    threads = format_count(bench.engines[0].threads, "thread")
    return (
        f"{threads}, batch 1 of {format_size(bench.size_HW)}, the network alone; mIoU on "
        f"{found.split} ({format_count(found.num_images, 'image')}); {bench.machine}"
    )


def _describe_drop(candidate: Candidate) -> str:
    points = round(candidate.drop_points, 2)
    return f"{abs(points):.2f} points of mIoU {'gained' if points < 0 else 'lost'}"


def _render(found: Compression) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    rows = [tuple(escape(cell) for cell in row) for row in _list_rows(found)]
    table = render_table("Candidates", _HEADS, rows, words=(0, 1, 2))
    narrow, wide = (
        data_uri(found.draw(width_px).encode()) for width_px in (NARROW_PX, WIDE_PX)
    )
    lost = _describe_drop(found.chosen)
    sections = [
        Section(
            "Verdict",
            "",
            f"<p>{escape(found.verdict)}</p>",
            "verdict" if found.is_met else "verdict fails",
        ),
        Section(
            "Pareto front",
            "No other candidate is faster and scores more than one on the line.",
            f'<picture><source media="(max-width: 600px)" srcset="{narrow}">'
            f'<img src="{wide}" alt="mIoU against ms"></picture>',
        ),
        Section(
            "Candidates",
            _describe(found),
            table,
        ),
        Section("What did not run", "", f'<ul class="facts">{notes}</ul>' if notes else ""),
    ]
    chosen = found.chosen
    tiles = [
        render_tile("Time", f"{chosen.ms:.1f} ms", escape(chosen.name)),
        render_tile("mIoU", f"{100 * chosen.miou:.2f}", lost),
        render_tile("File", f"{chosen.size_mb:.1f} MB", escape(chosen.file)),
    ]
    return render_page(
        f"Compression of model {found.bench.model_id}",
        f"{found.model} on {found.data}: {found.wish.target_ms:g} ms, at most "
        f"{found.wish.max_drop_points:g} points of mIoU lost",
        sections,
        opening=render_opening(sections, tiles),
    )
