"""Interpret the colours of masks as classes, where dataset.yaml does not list them."""

from collections.abc import Iterable, Mapping

from ...core.codec import TRANSPARENT, TRANSPARENT_TEXT, pack_color
from ...core.errors import DataError
from ...core.labels import voc_palette
from .dataset_yaml import FILE_NAME
from .hints import Hints, Interpretation, ask
from .survey import Survey

_VOID = 0xE0E0C0
"""Colour 255 of the Pascal VOC palette: the void border."""


def read_colors(survey: Survey, hints: Hints) -> Interpretation:
    """Interpret masks whose values are packed colours.

    Raises:
        DataError: A colour is not listed, or classes are listed without colours.
    """
    colors = set(survey.counts)
    if TRANSPARENT in colors and 0 in colors and hints.classes is None:
        _require_clear_background(survey, hints)
    palette = {pack_color(color): index for index, color in enumerate(voc_palette())}
    asked = hints.codec.ignored_values
    if colors <= set(palette) and (hints.classes is None or not hints.have_colors):
        return _read_voc_colors(survey, hints, {c: palette[c] for c in colors})
    if hints.classes is not None:
        return _read_listed_colors(survey, hints)
    kept = [c for c in hints.colors if c in colors]
    how = "in the order of the first palette"
    if not kept:
        kept = sorted(colors, key=lambda color: (-survey.counts[color].pixels, color))
        how = "the one with the most pixels first"
    kept = [color for color in kept if color not in set(asked or ())]
    why = f"each colour is a class, {how}; no list of names was found"
    names = {color: f"class_{index}" for index, color in enumerate(kept)}
    return Interpretation(names, frozenset(asked or ()), (why, *_note_on_black(survey, asked)))


def _require_clear_background(survey: Survey, hints: Hints) -> None:
    """Require a decision where transparent and black pixels may be one background or two."""
    if hints.codec.ignored is None:
        raise ask(
            hints,
            f"masks hold transparent pixels {survey.share(TRANSPARENT)} and black ones "
            f"{survey.share(0)}, which could be one background or two",
            f"codec: {{pixels: rgb, ignored: ['{TRANSPARENT_TEXT}']}}",
            "if transparent pixels are ignored, codec: {pixels: rgb, ignored: []} if they are "
            "a class of their own, else list both as 'raw' of one class",
        )


def _note_on_black(survey: Survey, asked: Iterable[int] | None) -> tuple[str, ...]:
    if asked is not None or 0 not in survey.counts:
        return ()
    note = (
        f"black, #000000 {survey.share(0)}, is taken as a class; if it means 'unlabelled', "
        f"write codec: {{pixels: rgb, ignored: ['#000000']}} in {FILE_NAME}"
    )
    return (note,)


def _read_voc_colors(
    survey: Survey, hints: Hints, index_of: Mapping[int, int]
) -> Interpretation:
    asked = hints.codec.ignored_values
    ignored = frozenset({_VOID} if asked is None else asked)
    why = "colours are those of the Pascal VOC palette, so each stands for its index there"
    in_order = sorted(index_of.items(), key=lambda ci: ci[1])
    kept = {color: i for color, i in in_order if color not in ignored}
    if hints.classes is None:
        names = {color: f"class_{i}" for color, i in kept.items()}
        return Interpretation(names, ignored, (why, *_note_on_black(survey, asked)))
    unlisted = sorted(set(kept.values()) - set(hints.classes))
    if unlisted:
        raise DataError(
            f"{hints.root}: masks hold the colours of indices {unlisted[:8]} of the Pascal VOC "
            f"palette, which {hints.origin} does not list; list them there"
        )
    colors = voc_palette()
    names = {pack_color(colors[i]): e.name for i, e in hints.classes.items() if i < 255}
    return Interpretation(names, ignored, (why,))


def _read_listed_colors(survey: Survey, hints: Hints) -> Interpretation:
    classes = hints.classes or {}
    if not hints.have_colors:
        shown = ", ".join(f"{_show(v)} {survey.share(v)}" for v in sorted(survey.counts)[:12])
        raise ask(
            hints,
            f"masks hold colours ({shown}) and {hints.origin} gives names without colours",
            "classes: [{name: road, color: [128, 64, 128]}, ...]",
            "with the colour of each class",
        )
    names = {pack_color(e.color): e.name for e in classes.values() if e.color is not None}
    asked = hints.codec.ignored_values
    ignored = frozenset({_VOID} - set(names) if asked is None else asked)
    unlisted = sorted(set(survey.counts) - set(names) - ignored)
    if unlisted:
        shown = ", ".join(f"{_show(v)} (first {survey.counts[v].first})" for v in unlisted[:8])
        line = ", ".join(f"'{_show(v)}'" for v in unlisted[:8])
        raise DataError(
            f"{hints.root}: mask colours {shown} are not listed in {hints.origin}; list them "
            f"there, or write codec: {{pixels: rgb, ignored: [{line}]}} in {FILE_NAME}"
        )
    return Interpretation(names, ignored, ())


def _show(color: int) -> str:
    return TRANSPARENT_TEXT if color == TRANSPARENT else f"#{color:06x}"
