"""Infer the classes of masks from their raw values, where dataset.yaml does not list them.

The rules, in words:

* Masks whose only values are 0 and 255 (or 65535) are binary: background and foreground.
* Elsewhere 255 (or 65535) above values 0..k or 1..k is IGNORE, the common convention.
* Every other value is a class of its own; a value that classes.txt does not list is refused.
* Colours are classes too: of the Pascal VOC palette in its order, others as they are.
* Where two interpretations are plausible, DataError asks for the one line that decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.codec import LabelCodec, pack_color
from ...core.errors import ConfigError, DataError
from ...core.labels import MAX_CLASSES, ClassDef, LabelSpec, Rgb, voc_palette
from ...core.textfile import read_text
from ..pixels.rawmask import Pixels
from .dataset_yaml import FILE_NAME, UNSPECIFIED, ClassEntry, CodecEntry
from .survey import Survey

CLASSES_FILE = "classes.txt"
_TOPS = (255, 65535)
_GREY = 0x010101
_VOID = 0xE0E0C0
"""Colour 255 of the Pascal VOC palette: the void border."""

_MAX_GAPPED = 32
"""More values than this, with gaps between them, are not taken as classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known before masks are read: raw value -> class, if listed, and settings."""

    root: Path
    classes: Mapping[int, ClassEntry] | None = None
    origin: str = ""
    codec: CodecEntry = UNSPECIFIED


@dataclass(frozen=True, slots=True)
class _Interpretation:
    """One interpretation of the masks: raw value -> name, ignored values, and reasons."""

    names: Mapping[int, str]
    ignored: frozenset[int]
    why: tuple[str, ...]


def infer_codec(survey: Survey, hints: Hints) -> tuple[LabelCodec, tuple[str, ...]]:
    """Infer the codec of the masks counted in `survey`; returns it with the reasons.

    Raises:
        DataError: Ambiguous, contradictory, more than 255 classes, or not class masks at all.
    """
    pixels = _detect_pixels(survey, hints)
    _require_few_values(survey, hints, pixels)
    grey = pixels == "rgb" and all(v % _GREY == 0 for v in survey.counts)
    if pixels == "index":
        reading = _read_numbers(survey, hints, scale=1)
    elif grey:
        reading = _read_numbers(survey, hints, scale=_GREY)
    else:
        reading = _read_colors(survey, hints)
    codec = _build_codec(reading, hints, pixels)
    counted = ", ".join(
        f"{codec.format_raw(v)} {survey.share(v)}" for v in sorted(survey.counts)[:MAX_CLASSES]
    )
    kind = "one number" if pixels == "index" else "a colour"
    head = f"{survey.num_masks} masks read, {kind} per pixel; values: {counted}"
    return codec, (head, *reading.why, f"{len(codec.spec)} classes{_describe_origin(hints)}")


def read_classes_file(path: Path) -> dict[int, str]:
    """Read classes.txt: one `index name` per line, or one name per line, counted from 0.

    Raises:
        ConfigError: Not UTF-8 text, two lines with one index, or no line at all.
    """
    lines = [line.strip() for line in read_text(path, error=ConfigError).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    split = [line.split(maxsplit=1) for line in lines]
    if not all(len(parts) == 2 and parts[0].isdecimal() for parts in split):
        split = [[str(index), line] for index, line in enumerate(lines)]
    names: dict[int, str] = {}
    for index, name in split:
        if int(index) in names:
            raise ConfigError(f"{path}: index {index} is listed twice; keep one line")
        names[int(index)] = name
    if not names:
        raise ConfigError(f"{path}: lists no classes; write 'index name' lines or remove it")
    if len(names) > MAX_CLASSES:
        raise ConfigError(
            f"{path}: lists {len(names)} classes, at most {MAX_CLASSES} are "
            f"possible; merge some"
        )
    return dict(sorted(names.items()))


def _detect_pixels(survey: Survey, hints: Hints) -> Pixels:
    if not survey.counts:
        raise DataError(f"{hints.root}: no mask could be read, so there are no classes")
    if len(survey.kinds) == 2:
        raise DataError(
            f"{hints.root}: {survey.kinds['index']} holds one number per pixel, "
            f"{survey.kinds['rgb']} a colour; save all masks in one way"
        )
    kind: Pixels = next(iter(survey.kinds))
    if hints.codec.pixels == "name":
        raise DataError(f"{hints.root}: holds masks, {FILE_NAME} says 'pixels: name' (shapes)")
    return hints.codec.pixels or kind


def _require_few_values(survey: Survey, hints: Hints, pixels: Pixels) -> None:
    ignored = set(hints.codec.ignored_values or ())
    num_values = len(set(survey.counts) - ignored)
    if not survey.excess and num_values <= MAX_CLASSES + (255 in survey.counts):
        return
    what = "colours" if pixels == "rgb" else "values"
    example = max(survey.counts.values(), key=lambda count: count.masks).first
    raise DataError(
        f"{hints.root}: masks hold {'more than ' if survey.excess else ''}{num_values} "
        f"different {what} (see {example}), at most {MAX_CLASSES} classes are possible; "
        f"save masks without loss and hard-edged, one value per class, or merge values: list "
        f"several as 'raw' of one class in {FILE_NAME}"
    )


def _read_numbers(survey: Survey, hints: Hints, *, scale: int) -> _Interpretation:
    """Masks that store integers, or the grey colours of integers (`scale` 0x010101)."""
    values = {v // scale for v in survey.counts}
    asked = hints.codec.ignored_values
    ignored = None if asked is None else frozenset(v // scale for v in asked)
    listed = None
    if hints.classes is not None:
        listed = {raw: entry.name for raw, entry in hints.classes.items()}
        reading = _read_listed_numbers(survey, hints, values, listed, ignored)
    else:
        reading = _read_unlisted_numbers(hints, values, ignored)
    if scale == 1:
        return reading
    return _Interpretation(
        {raw * scale: name for raw, name in reading.names.items()},
        frozenset(v * scale for v in reading.ignored),
        ("colours are all grey: red = green = blue is read as a number", *reading.why),
    )


def _read_listed_numbers(
    survey: Survey,
    hints: Hints,
    values: set[int],
    listed: Mapping[int, str],
    ignored: frozenset[int] | None,
) -> _Interpretation:
    top = max(values)
    if ignored is None and len(values) == 2 and 0 in values and top in _TOPS:
        if set(listed) == {0, 1}:
            names = {0: listed[0], top: listed[1]}
            because = "the only other value is 0, and two classes are listed"
            return _Interpretation(names, frozenset(), (f"{top} is {listed[1]!r}: {because}",))
        if len(listed) > 2 or 0 not in listed:
            raise _ask(
                hints,
                f"masks hold only 0 and {top}, {hints.origin} lists {len(listed)} classes, "
                f"so {top} could be a class or ignored",
                f"codec: {{ignored: [{top}]}}",
                "if it is ignored, else a 'raw' value for each class",
            )
    if ignored is None:
        ignored = frozenset({255} - set(listed))
    unlisted = sorted(values - set(listed) - ignored)
    if unlisted:
        raise DataError(_describe_unlisted(survey, hints, unlisted, ignored))
    why = tuple(f"{v} is IGNORE: {hints.origin} does not list it" for v in ignored & values)
    return _Interpretation(dict(listed), ignored, why)


def _describe_unlisted(
    survey: Survey, hints: Hints, unlisted: list[int], ignored: Iterable[int]
) -> str:
    scale = 1 if unlisted[0] in survey.counts else _GREY
    shown = [
        f"{v} ({count.pixels} px in {count.masks} masks, first {count.first})"
        for v in unlisted[:8]
        if (count := survey.counts.get(v) or survey.counts[v * scale])
    ]
    more = f" and {len(unlisted) - 8} more" if len(unlisted) > 8 else ""
    line = ", ".join(map(str, sorted({*unlisted[:8], *ignored})))
    return (
        f"{hints.root}: mask values {', '.join(shown)}{more} are not listed in {hints.origin}; "
        f"list them there, or write codec: {{ignored: [{line}]}} in {FILE_NAME}"
    )


def _read_unlisted_numbers(
    hints: Hints, values: set[int], ignored: frozenset[int] | None
) -> _Interpretation:
    top = max(values)
    if ignored is None and values == {0, top} and top in _TOPS:
        why = f"0 and {top} are the only values, so {top} is foreground, not IGNORE"
        return _Interpretation({0: "background", top: "foreground"}, frozenset(), (why,))
    if ignored is None and top in _TOPS:
        return _read_numbers_below(top, values, hints)
    kept = sorted(values - (ignored or frozenset()))
    if not kept:
        raise DataError(f"{hints.root}: every pixel of every mask is ignored")
    gapped = kept[-1] - kept[0] + 1 != len(kept)
    if ignored is None and gapped and len(kept) > _MAX_GAPPED:
        raise _ask(
            hints,
            f"masks hold {len(kept)} different values between {kept[0]} and {kept[-1]}, more "
            f"like blurred masks or numbered objects than classes",
            "codec: {ignored: []}",
            "if each value is a class, else save the masks hard-edged",
        )
    why = "each value is a class, in ascending order; no list of names was found"
    return _Interpretation(_make_names(kept), ignored or frozenset(), (why,))


def _read_numbers_below(top: int, values: set[int], hints: Hints) -> _Interpretation:
    """Values 0..k or 1..k and `top`, which is then IGNORE; anything else is ambiguous."""
    rest = sorted(values - {top})
    contiguous = bool(rest) and rest[0] in (0, 1) and rest[-1] - rest[0] + 1 == len(rest)
    if not contiguous or len(rest) == 1:
        shown = ", ".join(map(str, [*rest[:12], *(["..."] if len(rest) > 12 else []), top]))
        blurred = len(rest) > 12 and rest[0] == 0
        raise _ask(
            hints,
            f"masks hold the values {shown}"
            + (", as blurred (antialiased) masks do" if blurred else "")
            + f", so {top} could be a class or ignored",
            f"codec: {{ignored: [{top}]}}",
            "if it is ignored, codec: {ignored: []} if it is a class",
        )
    why = f"{top} is IGNORE: the other values are {rest[0]}..{rest[-1]} without a gap"
    return _Interpretation(_make_names(rest), frozenset({top}), (why,))


def _read_colors(survey: Survey, hints: Hints) -> _Interpretation:
    colors = set(survey.counts)
    palette = {pack_color(color): index for index, color in enumerate(voc_palette())}
    asked = hints.codec.ignored_values
    if colors <= set(palette) and (hints.classes is None or not _have_colors(hints)):
        return _read_voc_colors(survey, hints, {c: palette[c] for c in colors})
    if hints.classes is not None:
        return _read_listed_colors(survey, hints)
    kept = sorted(colors - set(asked or ()))
    why = "each colour is a class, in ascending order; no list of names was found"
    names = {color: f"class_{index}" for index, color in enumerate(kept)}
    return _Interpretation(names, frozenset(asked or ()), (why, *_note_on_black(survey, asked)))


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
) -> _Interpretation:
    asked = hints.codec.ignored_values
    ignored = frozenset({_VOID} if asked is None else asked)
    why = "colours are those of the Pascal VOC palette, so each stands for its index there"
    in_order = sorted(index_of.items(), key=lambda ci: ci[1])
    kept = {color: i for color, i in in_order if color not in ignored}
    if hints.classes is None:
        names = {color: f"class_{i}" for color, i in kept.items()}
        return _Interpretation(names, ignored, (why, *_note_on_black(survey, asked)))
    unlisted = sorted(set(kept.values()) - set(hints.classes))
    if unlisted:
        raise DataError(
            f"{hints.root}: masks hold the colours of indices {unlisted[:8]} of the Pascal VOC "
            f"palette, which {hints.origin} does not list; list them there"
        )
    colors = voc_palette()
    names = {pack_color(colors[i]): e.name for i, e in hints.classes.items() if i < 255}
    return _Interpretation(names, ignored, (why,))


def _read_listed_colors(survey: Survey, hints: Hints) -> _Interpretation:
    classes = hints.classes or {}
    if not _have_colors(hints):
        shown = ", ".join(f"#{v:06x} {survey.share(v)}" for v in sorted(survey.counts)[:12])
        raise _ask(
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
        shown = ", ".join(f"#{v:06x} (first {survey.counts[v].first})" for v in unlisted[:8])
        line = ", ".join(f"'#{v:06x}'" for v in unlisted[:8])
        raise DataError(
            f"{hints.root}: mask colours {shown} are not listed in {hints.origin}; list them "
            f"there, or write codec: {{pixels: rgb, ignored: [{line}]}} in {FILE_NAME}"
        )
    return _Interpretation(names, ignored, ())


def _build_codec(reading: _Interpretation, hints: Hints, pixels: Pixels) -> LabelCodec:
    raws = list(reading.names)
    given = {e.name: e for e in (hints.classes or {}).values()}
    palette = voc_palette()
    classes = []
    for index, raw in enumerate(raws):
        name = reading.names[raw]
        entry = given.get(name, ClassEntry(name=name))
        stored = _unpack(raw) if pixels == "rgb" else palette[index]
        classes.append(ClassDef(name=name, color=entry.color or stored, kind=entry.kind))
    try:
        return LabelCodec(
            spec=LabelSpec(tuple(classes)),
            raw_to_index={raw: index for index, raw in enumerate(raws)},
            ignored=reading.ignored,
            pixels=pixels,
        )
    except ConfigError as error:
        raise ConfigError(f"{hints.root}: {error}") from error


def _ask(hints: Hints, reason: str, line: str, otherwise: str) -> DataError:
    where = hints.root / FILE_NAME
    return DataError(f"{hints.root}: {reason}; write one line in {where}: '{line}' {otherwise}")


def _describe_origin(hints: Hints) -> str:
    return f", named in {hints.origin}" if hints.classes is not None else ", names made up"


def _make_names(raws: Iterable[int]) -> dict[int, str]:
    return {raw: f"class_{raw}" for raw in raws}


def _have_colors(hints: Hints) -> bool:
    return all(e.color is not None for e in (hints.classes or {}).values())


def _unpack(raw: int) -> Rgb:
    return raw >> 16 & 255, raw >> 8 & 255, raw & 255
