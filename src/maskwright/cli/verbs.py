"""How the verbs are listed in help, and how words that no verb knows are answered."""

import re
import shlex
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from ..core.errors import nearest
from . import foreign

_ARGUMENT = re.compile(r"\{(?P<name>[^}]*)\}(?P<more>(\.\.\.)?)")
_LIST = re.compile(r"<list\[(?P<kind>\w+)\]>")
_ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z][\w-]*)=(?P<value>.*)", re.DOTALL)
_OPTION = re.compile(r"--[A-Za-z][\w-]*|-[A-Za-z]")


class Verb(TyperCommand):
    """One verb: usage lines name arguments as the docs do, and foreign words are answered."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`DATA` for a required argument, where typer writes `{DATA}`."""
        pieces = super().collect_usage_pieces(ctx)
        return [_ARGUMENT.sub(r"\g<name>\g<more>", piece) for piece in pieces]

    def get_help(self, ctx: Any) -> str:
        """The help; an argument of several words is `<str>...`, where typer writes a list."""
        text = str(super().get_help(ctx))
        return _LIST.sub(lambda m: f"<{m['kind']}>...".ljust(len(m[0])), text)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the verb.

        A word of another tool, such as `--imgsz 512` or `data=my-data`, is wrong usage whose
        message says what it is here.
        """
        if not ctx.resilient_parsing:
            self._refuse_foreign_words(ctx, args)
        return super().parse_args(ctx, args)

    def list_names(self) -> dict[str, bool]:
        """Options with their dashes and arguments in capitals; True where a value follows."""
        names = {"-h": False, "--help": False}
        for param in self.params:
            takes_value = not getattr(param, "is_flag", False)
            if param.param_type_name == "option":
                names |= dict.fromkeys([*param.opts, *param.secondary_opts], takes_value)
            else:
                names[str(param.metavar)] = True
        return names

    def rewrite(self, words: list[str], more: str = "") -> tuple[str, list[str]]:
        """The command for words `name=value`, and the names that are no options here.

        `more` are options for the end of the command, unless they are among the words.
        """
        known = self.list_names()
        arguments, options, unknown = {}, [], []
        for word in words:
            name, _, value = word.partition("=")
            here = foreign.translate(name, value, known)
            if here is None:
                unknown.append(name)
            elif here in known:
                arguments[here] = shlex.quote(value)
            else:
                options.append(here)
        pieces = ["maskwright", str(self.name)]
        if more.split(" ")[1:2] != [o.partition(" ")[0] for o in options][:1]:
            options += [more.strip()] if more else []
        for param in self.params:
            shown = str(param.metavar or param.name).upper()
            if param.param_type_name == "argument" and (param.required or shown in arguments):
                pieces.append(arguments.get(shown, shown))
            elif param.required and not any(o.split(" ")[0] in param.opts for o in options):
                options.append(f"{param.opts[-1]} {shown}")
        return " ".join([*pieces, *options]), unknown

    def _refuse_foreign_words(self, ctx: Any, args: list[str]) -> None:
        known = self.list_names()
        takes_pairs = any("=" in name for name in known)  # `serve [NAME=]BUNDLE`
        if not takes_pairs and (assigned := _find_assignments(args, known)):
            line, unknown = self.rewrite(assigned)
            rest = f" ({', '.join(unknown)}: no such option)" if unknown else ""
            ctx.fail(f"write --name value, not name=value: {line}{rest}")
        for position, word in enumerate(args):
            if word == "--":
                return
            name, _, value = word.partition("=")
            if not _OPTION.fullmatch(name) or name in known or _is_value(args, position, known):
                continue
            following = "".join(args[position + 1 : position + 2])
            value = value or ("" if following.startswith("-") else following)
            here = foreign.translate(name, value, known)
            if here in known and not here.startswith("-"):
                ctx.fail(f"no option {name}; here it is {here}, which has no name: {value}")
            if here is not None:
                ctx.fail(f"no option {name}; here it is {here}")
            if name.startswith("--"):
                ctx.fail(f"no option {name}{nearest(name, known)}")


class Verbs(TyperGroup):
    """All verbs, listed by panel; `help VERB` works, and foreign verbs are answered."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line; `help VERB` is `VERB --help`."""
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        elif args == ["version"]:
            args = ["--version"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb; wrong usage names the verb of another tool as it is called here."""
        word = args[0]
        if word in self.commands or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if word in foreign.TASKS and args[1:2] and args[1] in {*self.commands, *foreign.VERBS}:
            ctx.fail(f"leave out {word!r}; write: {self._correct(args[1:])}")
        if foreign.VERBS.get(word, "").partition(" ")[0] in self.commands:
            ctx.fail(f"no command {word!r}; write: {self._correct(args)}")
        known = ", ".join(self.commands)
        if "=" in word:
            ctx.fail(f"{word!r}: a command comes first, one of {known}")
        return ctx.fail(f"no command {word!r}{nearest(word, self.commands)}; there are {known}")

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - of click
        """Write the verbs with their first sentences, one section for each panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        longest = max(map(len, self.commands))
        for name, verb in self.commands.items():
            text = verb.get_short_help_str(formatter.width - 6 - longest)
            panel = str(getattr(verb, "rich_help_panel", None))
            panels.setdefault(panel, []).append((name.ljust(longest), text))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def _correct(self, words: list[str]) -> str:
        """The command for a verb, of this tool or of another, with words `name=value`."""
        line = foreign.VERBS.get(words[0], words[0])
        name, _, rest = line.partition(" ")
        verb = self.commands[name]
        if isinstance(verb, Verb) and (
            (assigned := _find_assignments(words[1:], verb.list_names())) or not rest
        ):
            return verb.rewrite(assigned, "".join(re.findall(" -.*", rest)))[0]
        return f"maskwright {line}"


def _find_assignments(args: list[str], known: dict[str, bool]) -> list[str]:
    """The words `name=value` that are neither files nor values of options."""
    found = [
        word
        for position, word in enumerate(args)
        if _ASSIGNMENT.fullmatch(word)
        and not _is_value(args, position, known)
        and not Path(word).exists()
    ]
    return found if any(foreign.is_option(word.partition("=")[0]) for word in found) else []


def _is_value(args: list[str], position: int, known: dict[str, bool]) -> bool:
    """Whether a word is the value of the option before it."""
    return (
        position > 0
        and args[position - 1].startswith("-")
        and known.get(args[position - 1], False)
    )
