"""Silence: which sources have stopped sending, where one cause is one message.

A source is silent when nothing has come of it for as long as alarms.yaml says. What stops many
sources (a network, a client, a power cut) stops them together, but each has sent its last image
at another moment: with the first that is silent, all others are that have sent nothing for half
of that time. A source stays silent until an image comes.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...pages.text import format_count

TOPIC = "silence "
"""How the topics of silent sources begin."""

_SHARE = 0.5
_LONG_MIN = 120

Source = tuple[str, str, str]
"""The name of a model, its Bundle, and a source of its images."""


@dataclass(frozen=True, slots=True)
class Silent:
    """A source that is silent, what it is called, and for how long nothing has come."""

    source: Source
    name: str
    quiet_s: float

    @property
    def topic(self) -> str:
        """Of its alarm."""
        return name_silence(self.source)


def find_silent(
    quiet_s: Mapping[Source, float],
    limit_s: float,
    already: Collection[str],
    *,
    up_s: float = math.inf,
) -> list[Silent]:
    """The silent sources, the one that has been so for the longest time first.

    Args:
        quiet_s: For how long nothing has come of each source.
        limit_s: After which a source is silent.
        already: The topics of open alarms.
        up_s: For how long the server has run: before that nothing could come.
    """
    is_known = {source: name_silence(source) in already for source in quiet_s}
    begins = up_s > limit_s and any(
        quiet_s[source] > limit_s for source, known in is_known.items() if not known
    )
    has_models = len({model for model, _, _ in quiet_s}) > 1

    def find() -> Iterator[Silent]:
        for source, quiet in quiet_s.items():
            if (is_known[source] or begins) and quiet > _SHARE * limit_s:
                model, _, name = source
                title = f"{name} ({model})" if name and has_models else name or model
                yield Silent(source, title, quiet)

    return sorted(find(), key=lambda one: -one.quiet_s)


def describe_silence(silent: Sequence[Silent], num_sources: int) -> dict[str, object]:
    """The document of the alarm that tells of some silent sources, the first one its own."""
    first = silent[0]
    text = f"no image for {_format_length(first.quiet_s)}"
    if len(silent) == 1:
        return {"title": f"{first.name} is silent", "text": text, "source": first.name}
    which = f"{len(silent):,} of {num_sources:,}"
    if len(silent) == num_sources:
        which = "Both" if num_sources == 2 else f"All {num_sources:,}"
    return {
        "title": f"{which} sources are silent",
        "text": f"{text} from {first.name}",
        "source": first.name,
    }


def _format_length(seconds: float) -> str:
    """A length of time in minutes, from two hours on in hours: `57 minutes`."""
    minutes = round(seconds / 60)
    if minutes > _LONG_MIN:
        return format_count(round(minutes / 60), "hour")
    return format_count(minutes, "minute")


def name_silence(source: Source) -> str:
    """The topic of the alarm of a source."""
    _, bundle, name = source
    return f"{TOPIC}{bundle} {name}"
