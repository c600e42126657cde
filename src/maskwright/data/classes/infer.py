"""Infer the classes of masks from their raw values, where dataset.yaml does not list them.

The rules, in words:

* Masks whose only values are 0 and 255 (or 65535), or of one bit, are binary: background and
  foreground. Several forms of binary masks may lie in one folder.
* A value that the files declare to be without data (GDAL) is IGNORE; others below 0 are asked
  about.
* Elsewhere 255 (or 65535) above values 0..k or 1..k is IGNORE, the common convention.
* Every other value is a class of its own; a value that classes.txt does not list is refused.
* Colours are classes too: of the Pascal VOC palette in its order, others by their pixels.
* Classes are proposed as stuff or things by their regions (`kinds.py`).
* Where two interpretations are plausible, DataError asks for the one line that decides.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ...core.codec import LabelCodec, unpack_color
from ...core.errors import ConfigError, DataError
from ...core.labels import MAX_CLASSES, ClassDef, LabelSpec, voc_palette
from ...core.textfile import read_text
from ...pages.text import format_count
from ..pixels.rawmask import GREY, Pixels
from .colors import read_colors
from .dataset_yaml import FILE_NAME, ClassEntry
from .hints import Hints, Interpretation, ask
from .kinds import Kind, describe_kinds, propose_kind
from .survey import BLACK_AND_WHITE, ONE_BIT, Survey

CLASSES_FILE = "classes.txt"
_NUMBERED = re.compile(r"(\d{1,9})(?:\s+|\s*[:,;=)]\s*|\.\s+)(\S.*)", re.ASCII)
_TOPS = (255, 65535)
_MAX_GAPPED = 32
"""More values than this, with gaps between them, are not taken as classes."""


def infer_codec(survey: Survey, hints: Hints) -> tuple[LabelCodec, tuple[str, ...]]:
    """Infer the codec of the masks counted in `survey`; returns it with the reasons.

    Raises:
        DataError: Ambiguous, contradictory, more than 255 classes, or not class masks at all.
    """
    pixels = _detect_pixels(survey, hints)
    if pixels == "index" and "rgb" in survey.kinds:
        survey.merge_grey()
    _require_few_values(survey, hints, pixels)
    grey = pixels == "rgb" and all(v % GREY == 0 for v in survey.counts)
    if pixels == "index":
        reading = _read_numbers(survey, hints, scale=1)
    elif grey:
        reading = _read_numbers(survey, hints, scale=GREY)
    else:
        reading = read_colors(survey, hints)
    codec, on_kinds = _build_codec(survey, reading, hints, pixels)
    counted = ", ".join(
        f"{codec.format_raw(v)} {survey.share(v)}" for v in sorted(survey.counts)[:MAX_CLASSES]
    )
    kind = "one number" if pixels == "index" else "a colour"
    head = f"{format_count(survey.num_masks, 'mask')} read, {kind} per pixel; values: {counted}"
    origin = f"{format_count(len(codec.spec), 'class')}{_describe_origin(hints)}"
    return codec, (head, *reading.why, origin, *on_kinds)


def read_classes_file(path: Path) -> dict[int, str]:
    """Read classes.txt: one `index name` per line, or one name per line, counted from 0.

    The index may end with a colon, a comma or another sign of a list.

    Raises:
        ConfigError: Not UTF-8 text, two lines with one index, no line at all, or lines of which
            most, but not all, begin with an index.
    """
    lines = [line.strip() for line in read_text(path, error=ConfigError).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    found = [_NUMBERED.fullmatch(line) for line in lines]
    bare = [line for line, match in zip(lines, found, strict=True) if match is None]
    if bare and 2 * len(bare) < len(lines):
        raise ConfigError(
            f"{path}: most lines begin with an index, {bare[0]!r} does not; write 'index name' "
            f"on each line, or names alone"
        )
    split = [(str(index), line) for index, line in enumerate(lines)]
    if not bare:
        split = [(match[1], match[2]) for match in found if match]
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
    if len(survey.kinds) == 2 and (survey.colored is not None or hints.codec.pixels == "rgb"):
        raise DataError(
            f"{hints.root}: {survey.kinds['index']} holds one number per pixel, "
            f"{survey.colored or survey.kinds['rgb']} a colour; save all masks in one way"
        )
    if hints.codec.pixels == "index" and survey.colored is not None:
        raise DataError(
            f"{hints.root}: {survey.colored} holds colours, {FILE_NAME} says 'pixels: index'; "
            f"write codec: {{pixels: rgb}}"
        )
    kind: Pixels = "index" if "index" in survey.kinds else "rgb"
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


def _read_numbers(survey: Survey, hints: Hints, *, scale: int) -> Interpretation:
    """Masks that store integers, or the grey colours of integers (`scale` 0x010101)."""
    values = {v // scale for v in survey.counts}
    asked = hints.codec.ignored_values
    ignored = None if asked is None else frozenset(v // scale for v in asked)
    listed = None
    if hints.classes is not None:
        listed = {raw: entry.name for raw, entry in hints.classes.items()}
    nodata = frozenset[int]()
    if ignored is None:
        nodata = frozenset(survey.nodata & values - set(listed or ()))
    if listed is None and len(values - nodata) < 2:
        nodata = frozenset()  # the rest would be one class, with nothing to tell it from
    reading = _read_binary(survey, hints, listed)
    if reading is None and listed is not None:
        reading = _read_listed_numbers(survey, hints, values - nodata, listed, ignored)
    elif reading is None:
        reading = _read_unlisted_numbers(survey, hints, values - nodata, ignored)
    if nodata:
        return _add_nodata(reading, nodata)
    if scale == 1:
        return reading
    return Interpretation(
        {raw * scale: name for raw, name in reading.names.items()},
        frozenset(v * scale for v in reading.ignored),
        ("colours are all grey: red = green = blue is read as a number", *reading.why),
    )


def _add_nodata(reading: Interpretation, nodata: frozenset[int]) -> Interpretation:
    why = tuple(
        f"{v} is IGNORE: the masks themselves declare it to be without data (GDAL nodata)"
        for v in sorted(nodata)
    )
    return Interpretation(reading.names, reading.ignored | nodata, (*reading.why, *why))


def _read_binary(
    survey: Survey, hints: Hints, listed: Mapping[int, str] | None
) -> Interpretation | None:
    """Binary masks of one bit, or of several forms; None where the usual rules hold.

    8-bit masks of 0 and 1 beside others of 0 and 255 are asked about: 255 could be ignored.
    Black and white masks beside them show that white is the foreground.
    """
    forms = survey.binary
    settled = ONE_BIT in forms or BLACK_AND_WHITE in forms
    if hints.codec.ignored is not None or not survey.all_binary:
        return None
    if (listed is not None and set(listed) != {0, 1}) or not (settled or len(forms) > 1):
        return None
    if forms.keys() == {BLACK_AND_WHITE}:
        return None
    tops = sorted(v for v in survey.counts if v)
    counted = ", ".join(f"{forms[form]} of {form}" for form in sorted(forms))
    if "0 and 1" in forms and tops != [1] and BLACK_AND_WHITE not in forms:
        raise ask(
            hints,
            f"all masks hold two values, but not the same ones ({counted}), so {tops[-1]} "
            f"could be the foreground or ignored",
            f"classes: [{{name: background, raw: [0]}}, {{name: foreground, raw: {tops}}}]",
            f"if it is the foreground, codec: {{ignored: {tops[1:]}}} if it is ignored",
        )
    names = ("background", "foreground") if listed is None else (listed[0], listed[1])
    shown = " and ".join(map(str, tops))
    why = f"all masks are binary ({counted}), so {shown} is {names[1]!r}"
    return Interpretation({0: names[0], **dict.fromkeys(tops, names[1])}, frozenset(), (why,))


def _read_listed_numbers(
    survey: Survey,
    hints: Hints,
    values: set[int],
    listed: Mapping[int, str],
    ignored: frozenset[int] | None,
) -> Interpretation:
    top = max(values)
    if ignored is None and len(values) == 2 and 0 in values and top in _TOPS:
        if set(listed) == {0, 1}:
            names = {0: listed[0], top: listed[1]}
            because = "the only other value is 0, and two classes are listed"
            return Interpretation(names, frozenset(), (f"{top} is {listed[1]!r}: {because}",))
        if len(listed) > 2 or 0 not in listed:
            raise ask(
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
    return Interpretation(dict(listed), ignored, why)


def _describe_unlisted(
    survey: Survey, hints: Hints, unlisted: list[int], ignored: Iterable[int]
) -> str:
    scale = 1 if unlisted[0] in survey.counts else GREY
    shown = [
        f"{v} ({count.pixels} px in {format_count(count.masks, 'mask')}, first {count.first})"
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
    survey: Survey, hints: Hints, values: set[int], ignored: frozenset[int] | None
) -> Interpretation:
    negative = sorted(v for v in values if v < 0)
    if ignored is None and negative:
        shown = ", ".join(f"{v} {survey.share(v)}" for v in negative[:8])
        raise ask(
            hints,
            f"masks hold values below 0, {shown} (the first in "
            f"{survey.counts[negative[0]].first}), which usually mark pixels without a class",
            f"codec: {{ignored: {negative[:8]}}}",
            "if they do, codec: {ignored: []} if each value is a class",
        )
    top = max(values)
    if ignored is None and values == {0, top} and top in _TOPS:
        why = f"0 and {top} are the only values, so {top} is foreground, not IGNORE"
        return Interpretation({0: "background", top: "foreground"}, frozenset(), (why,))
    if ignored is None and top in _TOPS:
        return _read_numbers_below(top, values, hints)
    kept = sorted(values - (ignored or frozenset()))
    if not kept:
        raise DataError(f"{hints.root}: every pixel of every mask is ignored")
    gapped = kept[-1] - kept[0] + 1 != len(kept)
    if ignored is None and gapped and len(kept) > _MAX_GAPPED:
        raise ask(
            hints,
            f"masks hold {len(kept)} different values between {kept[0]} and {kept[-1]}, more "
            f"like blurred masks or numbered objects than classes",
            "codec: {ignored: []}",
            "if each value is a class, else save the masks hard-edged",
        )
    why = "each value is a class, in ascending order; no list of names was found"
    return Interpretation(_make_names(kept), ignored or frozenset(), (why,))


def _read_numbers_below(top: int, values: set[int], hints: Hints) -> Interpretation:
    """Values 0..k or 1..k and `top`, which is then IGNORE; anything else is ambiguous."""
    rest = sorted(values - {top})
    contiguous = bool(rest) and rest[0] in (0, 1) and rest[-1] - rest[0] + 1 == len(rest)
    if not contiguous or len(rest) == 1:
        shown = ", ".join(map(str, [*rest[:12], *(["..."] if len(rest) > 12 else []), top]))
        blurred = len(rest) > 12 and rest[0] == 0
        raise ask(
            hints,
            f"masks hold the values {shown}"
            + (", as blurred (antialiased) masks do" if blurred else "")
            + f", so {top} could be a class or ignored",
            f"codec: {{ignored: [{top}]}}",
            "if it is ignored, codec: {ignored: []} if it is a class",
        )
    why = f"{top} is IGNORE: the other values are {rest[0]}..{rest[-1]} without a gap"
    return Interpretation(_make_names(rest), frozenset({top}), (why,))


def _build_codec(
    survey: Survey, reading: Interpretation, hints: Hints, pixels: Pixels
) -> tuple[LabelCodec, tuple[str, ...]]:
    """The codec, with a note on the kinds of classes that were proposed."""
    raws_of: dict[str, list[int]] = {}
    for raw, name in reading.names.items():
        raws_of.setdefault(name, []).append(raw)
    given = {e.name: e for e in (hints.classes or {}).values()}
    palette = voc_palette()
    classes = []
    proposed: list[tuple[str, Kind]] = []
    for index, (name, raws) in enumerate(raws_of.items()):
        entry = given.get(name, ClassEntry(name=name))
        stored = unpack_color(raws[0]) if pixels == "rgb" else palette[index]
        kind: Kind = entry.kind
        if "kind" not in entry.model_fields_set and survey.regions:
            tallies = [survey.regions[raw] for raw in raws if raw in survey.regions]
            kind = propose_kind(name, tallies)
            proposed.append((name, kind))
        classes.append(ClassDef(name=name, color=entry.color or stored, kind=kind))
    names = list(raws_of)
    try:
        codec = LabelCodec(
            spec=LabelSpec(tuple(classes)),
            raw_to_index={raw: names.index(name) for raw, name in reading.names.items()},
            ignored=reading.ignored,
            pixels=pixels,
        )
    except ConfigError as error:
        raise ConfigError(f"{hints.root}: {error}") from error
    return codec, (describe_kinds(proposed),) if proposed else ()


def _describe_origin(hints: Hints) -> str:
    return f", named in {hints.origin}" if hints.classes is not None else ", names made up"


def _make_names(raws: Iterable[int]) -> dict[int, str]:
    return {raw: f"class_{raw}" for raw in raws}
