"""The name of a model on the Hugging Face Hub: `hub:OWNER/NAME[@REVISION]`."""

import re
from dataclasses import dataclass
from typing import Self

from .errors import ConfigError

PREFIX = "hub:"
_FORM = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?", re.A)


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository, OWNER/NAME, and a branch, tag or commit; None for its main branch."""

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `hub:OWNER/NAME[@REVISION]`; None where the text does not begin with `hub:`.

        Raises:
            ConfigError: It begins so and has another form.
        """
        if not text.startswith(PREFIX):
            return None
        match = _FORM.fullmatch(text.removeprefix(PREFIX))
        if match is None:
            raise ConfigError(
                f"{text!r}: expected hub:OWNER/NAME or hub:OWNER/NAME@REVISION, such as "
                f"hub:nvidia/segformer-b0-finetuned-ade-512-512"
            )
        return cls(match["repository"], match["revision"])

    def __str__(self) -> str:
        at = "" if self.revision is None else f"@{self.revision}"
        return f"{PREFIX}{self.repository}{at}"
