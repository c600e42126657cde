"""How messages spell options: as arguments of Python, or as the command line does.

A message is written with the options of the command line, `--budget 90s`. Where Python called,
`str(error)` spells them as arguments, `budget='90s'`; the command line sets
`speaks_command_line`.
"""

import re
from contextvars import ContextVar

speaks_command_line: ContextVar[bool] = ContextVar("speaks_command_line", default=False)
"""Set by the front end that prints messages as they are written."""

_SETTING = r"--set [\w.]+=[^\s,;)]+"
_SETTINGS = re.compile(rf"{_SETTING}(?: {_SETTING})*")
_OPTION = re.compile(
    r"(?<![\w-])--(?P<name>[a-z]+(?:-[a-z]+)*)"
    r"(?: (?P<value>'[^']*'|[0-9][\w.]*(?<!\.)|[0-9a-f]{64}"
    r"|(?<=--from )[a-z]\w*|(?<=--device )(?:cpu\b|cuda[:\d]*)))?"
)
_COMMAND = re.compile(r"`maskwright ([a-z]+)`")
_QUOTED = re.compile(r"`[^`]*`")

_TRUE = "resume raw-predictions full verify polygons redraw allow-outside fail-if-worse"
_FLAGS = {
    **{flag: f"{flag.replace('-', '_')}=True" for flag in _TRUE.split()},
    "overwrite": "mode=WriteMode(overwrite=True)",
    "no-parity-images": "keep_parity_images=False",
    "keep-ids": "maskwright.keeping_ids()",
}
_NAMES = {"from": "form", "set": "settings", "tile": "tiling"}


def to_python(message: str) -> str:
    """The message with arguments of Python in place of options.

    A command line between backticks, which is to be run in a shell, stays as it is, but for a
    verb alone: `maskwright split` is `maskwright.split` in Python.
    """
    message = _COMMAND.sub(r"`maskwright.\1`", message)
    pieces, end = [], 0
    for quoted in _QUOTED.finditer(message):
        pieces += [_translate(message[end : quoted.start()])]
        is_option = quoted[0].startswith("`--")
        pieces += [_translate(quoted[0]) if is_option else quoted[0]]
        end = quoted.end()
    return "".join([*pieces, _translate(message[end:])])


def _translate(text: str) -> str:
    return _OPTION.sub(_name_argument, _SETTINGS.sub(_collect_settings, text))


def _collect_settings(match: re.Match[str]) -> str:
    pairs = (pair.partition("=") for pair in match[0].removeprefix("--set ").split(" --set "))
    shown = ", ".join(f"{key!r}: {_quote(value)}" for key, _, value in pairs)
    return f"settings={{{shown}}}"


def _name_argument(match: re.Match[str]) -> str:
    name, value = match["name"], match["value"]
    argument = _NAMES.get(name, name.replace("-", "_"))
    if value is None:
        return _FLAGS.get(name, argument)
    if name in _FLAGS:
        return f"{_FLAGS[name]} {value}"
    return f"{argument}={value if value.startswith(chr(39)) else _quote(value)}"


def _quote(value: str) -> str:
    """A number as it is, all else as a text."""
    is_number = re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", value)
    return value if is_number else {"true": "True", "false": "False"}.get(value, repr(value))
