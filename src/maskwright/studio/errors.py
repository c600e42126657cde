"""What the studio refuses, with the status that HTTP has for it."""

from collections.abc import Mapping

from ..core.errors import MaskwrightError


class StudioError(MaskwrightError):
    """A request that is refused. `details` are further keys of the answer."""

    def __init__(
        self, status: int, text: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.details = dict(details or {})
