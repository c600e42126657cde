"""Names of people in texts: what this process shows in place of them.

Headers of medical images name a patient, and names of files and folders may repeat it. Whoever
reads such headers calls `learn` for each name; messages pass through `hide`. Inside of
`keeping_ids`, and with `--keep-ids`, nothing is learnt, and names stay as they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

keeps_ids: ContextVar[bool] = ContextVar("keeps_ids", default=False)
"""Whether names of people stay as they are; set by `--keep-ids`."""

_START = 3
"""Characters by which names are looked up; a shorter name is too common in texts."""

_spellings: dict[str, str] = {}
_stand_ins: dict[str, str] = {}
_lengths: dict[str, list[int]] = {}
"""Lengths of the names that begin with the same characters, the longest first."""


@contextmanager
def keeping_ids(*, keep: bool = True) -> Iterator[None]:
    """In the block, names of people in keys, messages and results stay as they are."""
    token = keeps_ids.set(keep)
    try:
        yield
    finally:
        keeps_ids.reset(token)


def learn_key(key: str, stand_in: str) -> None:
    """Note the two spellings of a key, for `spell`; outside of `keeping_ids`, learn it too."""
    _spellings[stand_in if keeps_ids.get() else key] = key if keeps_ids.get() else stand_in
    learn(key, stand_in)


def spell(key: str) -> str:
    """A key that a file holds, as keys are spelled in this call: with names, or without."""
    return _spellings.get(key, key)


def learn(name: str, stand_in: str) -> None:
    """Show `stand_in` in place of `name` from now on, in all texts of this process."""
    if keeps_ids.get() or len(name) < _START or name in _stand_ins:
        return
    _stand_ins[name] = stand_in
    lengths = _lengths.setdefault(name[:_START], [])
    if len(name) not in lengths:
        lengths.append(len(name))
        lengths.sort(reverse=True)


def hide(text: str) -> str:
    """The text with the stand-in of each name that was learnt; of two names, the longer."""
    if not _stand_ins:
        return text
    pieces, done, at = [], 0, 0
    while at < len(text):
        lengths = _lengths.get(text[at : at + _START], ())
        found = (text[at : at + n] for n in lengths if text[at : at + n] in _stand_ins)
        if (name := next(found, None)) is None:
            at += 1
            continue
        pieces += [text[done:at], _stand_ins[name]]
        done = at = at + len(name)
    return "".join([*pieces, text[done:]])


def forget() -> None:
    """Forget all names, between tests."""
    _spellings.clear()
    _stand_ins.clear()
    _lengths.clear()
