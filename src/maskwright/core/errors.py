"""Every error a user can cause: `MaskwrightError` and its children.

For what a user can cause, every public call raises these and no others. Each message says what
was expected, what was found, and the fix.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from .pseudonyms import hide
from .spelling import speaks_command_line, to_python

_MAX_START, _MAX_END = 1200, 700


class MaskwrightError(Exception):
    """Base of all errors raised on purpose; the command line prints them bare.

    Its text names options as arguments of Python, and on the command line as options.
    A message that quotes a long name or value is cut in its middle: the fix stands at its end.
    Names of people in it are hidden, see `core.pseudonyms`.
    """

    def __str__(self) -> str:
        text = hide(super().__str__())
        text = text if speaks_command_line.get() else to_python(text)
        if len(text) <= _MAX_START + _MAX_END:
            return text
        return f"{text[:_MAX_START]} ... {text[-_MAX_END:]}"


class ConfigError(MaskwrightError):
    """A recipe, option or manifest is wrong."""


class DataError(MaskwrightError):
    """A file on disk is not what its dataset promises."""


class BundleError(MaskwrightError):
    """A model folder is damaged, of another version, or not a model."""


class OutputError(MaskwrightError):
    """Results could not be written: read-only folder, full disk, path in the way."""


class LockedError(OutputError):
    """Another process writes into the folder."""


class TrainingError(MaskwrightError):
    """Training had to stop: NaN, out of memory, nothing to learn from."""


class MissingDependencyError(MaskwrightError):
    """An optional package is needed for this part: of `extra`, else of an own `command`."""

    def __init__(self, package: str, extra: str, *, command: str | None = None) -> None:
        command = command or f"pip install 'maskwright[{extra}]'"
        super().__init__(f"{package} is not installed; run: {command}")
        self.package = package
        self.extra = extra


class UnknownNameError(ConfigError):
    """A name is not in a closed set; the message lists the set and the nearest member."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = tuple(known)
        super().__init__(f"no {kind} named {name!r}{suggest(name, known)}.")


def suggest(name: str, known: Iterable[str]) -> str:
    """Give the end of a message on an unknown name: the nearest known name, and all of them."""
    known = tuple(known)
    return f"{nearest(name, known) or '.'} Known: {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Give `; did you mean 'x'?` where a known name is close to `name`, else ""."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def first_line(error: BaseException, most: int = 200) -> str:
    """What an error says, without the advice after it; its kind where it says nothing."""
    return shorten(next(iter(str(error).splitlines()), type(error).__name__), most)


def shorten(text: str, most: int = 60) -> str:
    """The text, or its beginning and `...`, of at most `most` characters, for messages."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
