"""Origin: what a request says of the image that it brings."""

from dataclasses import dataclass, replace
from typing import Self

from starlette.requests import Request

from ..errors import ServingError

SOURCE = "x-source"
"""Header with the camera, line or site of an image."""

_MOST_SOURCE, _MOST_KEY = 100, 200


@dataclass(frozen=True, slots=True)
class Origin:
    """The key of an image, by which its truth may come later, and its source."""

    key: str
    source: str = ""

    @classmethod
    def of_request(cls, request: Request, number: str) -> Self:
        """The origin by the headers of a request; `number` is its id.

        Raises:
            ServingError: 400, the source is too long or has control characters.
        """
        source = request.headers.get(SOURCE, "")
        if len(source) > _MOST_SOURCE or not (source.isprintable() and source.isascii()):
            raise ServingError(
                400, f"X-Source: use at most {_MOST_SOURCE} printable ASCII characters"
            )
        return cls(number[:_MOST_KEY], source)

    def of_image(self, index: int, num_images: int) -> Self:
        """The origin of one of several images in a request."""
        return self if num_images == 1 else replace(self, key=f"{self.key}/{index}")
