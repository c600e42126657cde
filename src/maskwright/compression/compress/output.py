"""What compression found: text, JSON, pictures of the Pareto fronts, and a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from maskwright.core.versioned import Document, Schema
from maskwright.inference.machine import Machine
from maskwright.pages.markup import data_uri, render_table
from maskwright.pages.page import Section, render_opening, render_page, render_tile
from maskwright.pages.scatter import NARROW_PX, WIDE_PX, Dot, draw_scatter_file
from maskwright.pages.text import format_count, format_number, format_size, text_table

from .candidates import COSTS, WHOLE, Candidate, Cost, Wish, find_front
from .networks import Timing

DOCUMENT = "compress.json"
SCHEMA = Schema(kind="compress", version=3)

PICTURES = dict(zip(("front.svg", "front_memory.svg", "front_size.svg"), COSTS, strict=True))
"""The file of the Pareto front of score against each cost."""

_MOST_NAMED = 10
"""With more dots, only those of the front, the chosen one and the reference have names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """All candidates, and the chosen one; scores are those on `num_images` of `split`.

    `networks` say how each network was made, by its name. `reference` is the engine with which
    times are compared.
    """

    model: str
    model_id: str
    data: str
    split: str
    num_images: int
    wish: Wish
    machine: Machine
    timed: Timing
    reference: str
    networks: Mapping[str, str]
    candidates: tuple[Candidate, ...]
    chosen: Candidate
    notes: tuple[str, ...]

    @property
    def front(self) -> dict[str, list[str]]:
        """The names of the candidates on the Pareto front of each cost, the cheapest first."""
        return {
            cost.key: [one.name for one in find_front(self.candidates, cost)] for cost in COSTS
        }

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
            f"nothing reaches {wanted}; nearest is {found}: give smaller networks time, or "
            f"more of it (--budget 1h), another student (--arch), or allow more"
        )

    def draw(self, cost: Cost = COSTS[0], width_px: int = WIDE_PX) -> str:
        """The picture of `draw_candidates`."""
        return draw_candidates(self.candidates, self.chosen, self.wish, cost, width_px)

    def to_json(self) -> Document:
        """The document of `compress.json`."""
        content = asdict(self) | {"networks": dict(self.networks)}
        return SCHEMA.stamp(content | {"front": self.front, "is_met": self.is_met})


def list_lines(found: Compression) -> list[str]:
    """The table, the setting, the notes and the verdict."""
    lines = text_table(_list_heads(found), _list_rows(found), words=(0, 1, 2, 3))
    return [*lines, "", _describe(found), *found.notes, found.verdict]


def write_files(found: Compression, folder: Path) -> None:
    """Write page, JSON and picture into a folder."""
    texts = {
        "index.html": _render(found),
        DOCUMENT: json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n",
    } | {
        name: found.draw(cost) for name, cost in PICTURES.items() if cost in _list_drawn(found)
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def draw_candidates(
    candidates: Sequence[Candidate],
    chosen: Candidate,
    wish: Wish,
    cost: Cost = COSTS[0],
    width_px: int = WIDE_PX,
) -> str:
    """Draw mIoU against a cost as an SVG file, with the Pareto front; of time the wanted one.

    Candidates whose cost was not measured are left out.
    """
    front = find_front(candidates, cost)
    priced = [(one, value) for one in candidates if (value := cost.read(one)) is not None]
    dots = [
        Dot(
            name=one.name
            if len(priced) <= _MOST_NAMED or _is_notable(one, chosen, front)
            else "",
            x=value,
            y=100 * one.miou,
            is_marked=one == chosen,
            is_on_line=one in front,
        )
        for one, value in priced
    ]
    limit = wish.target_ms if cost is COSTS[0] else None
    names = cost.title, "mIoU, %"
    title = f"mIoU in % against {cost.title}"
    return draw_scatter_file(title, dots, names, limit_x=limit, width_px=width_px)


def _is_notable(one: Candidate, chosen: Candidate, front: Sequence[Candidate]) -> bool:
    is_origin = one.network == WHOLE and one.times_reference == 1
    return one == chosen or one in front or is_origin


def _list_heads(found: Compression) -> tuple[str, ...]:
    costs = ("MB", "file MB")
    scores = ("mIoU", "lost", "pixels equal")
    return ("", "network", "engine", "precision", "ms", f"x {found.reference}", *scores, *costs)


def _list_rows(found: Compression) -> list[tuple[str, ...]]:
    front = find_front(found.candidates)
    ranked = sorted(found.candidates, key=lambda one: one.ms)
    return [
        (
            "chosen" if one == found.chosen else "front" if one in front else "",
            one.network,
            one.engine,
            one.precision,
            format_number(one.ms, 1),
            format_number(one.times_reference, 2),
            format_number(100 * one.miou, 2),
            format_number(one.drop_points, 2),
            f"{one.equal_pixel_share:.2%}",
            format_number(one.memory_mb),
            format_number(one.size_mb, 1),
        )
        for one in ranked
    ]


def _describe(found: Compression) -> str:
    threads = format_count(found.timed.threads, "thread")
    return (
        f"{threads}, batch 1 of {format_size(found.timed.size_HW)}, the network alone; mIoU on "
        f"{found.split} ({format_count(found.num_images, 'image')}); {found.machine}"
    )


def _describe_drop(candidate: Candidate) -> str:
    points = round(candidate.drop_points, 2)
    return f"{abs(points):.2f} points of mIoU {'gained' if points < 0 else 'lost'}"


def _render(found: Compression) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    rows = [tuple(escape(cell) for cell in row) for row in _list_rows(found)]
    table = render_table("Candidates", _list_heads(found), rows, words=(0, 1, 2, 3))
    pictures = "".join(_render_front(found, cost) for cost in _list_drawn(found))
    made = "".join(
        f"<li>{escape(name)}: {escape(how)}</li>" for name, how in found.networks.items()
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
            "No other candidate costs less and scores more than one on the line.",
            pictures,
        ),
        Section("Candidates", _describe(found), table),
        Section("Networks", "", f'<ul class="facts">{made}</ul>'),
        Section("What was not tried", "", f'<ul class="facts">{notes}</ul>' if notes else ""),
    ]
    chosen = found.chosen
    tiles = [
        render_tile("Time", f"{chosen.ms:.1f} ms", escape(chosen.name)),
        render_tile("mIoU", f"{100 * chosen.miou:.2f}", lost),
        render_tile("File", f"{chosen.size_mb:.1f} MB", escape(chosen.file)),
    ]
    return render_page(
        f"Compression of model {found.model_id}",
        f"{found.model} on {found.data}: {found.wish.target_ms:g} ms, at most "
        f"{found.wish.max_drop_points:g} points of mIoU lost",
        sections,
        opening=render_opening(sections, tiles),
    )


def _list_drawn(found: Compression) -> list[Cost]:
    """The costs that were measured."""
    return [cost for cost in COSTS if find_front(found.candidates, cost)]


def _render_front(found: Compression, cost: Cost) -> str:
    narrow, wide = (
        data_uri(found.draw(cost, width_px).encode()) for width_px in (NARROW_PX, WIDE_PX)
    )
    return (
        f'<picture><source media="(max-width: 600px)" srcset="{narrow}">'
        f'<img src="{wide}" alt="mIoU against {escape(cost.title)}"></picture>'
    )
