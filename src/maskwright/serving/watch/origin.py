"""Origin: what a request says of the image that it brings."""

from dataclasses import dataclass, replace
from typing import Self

from starlette.requests import Request

from ..errors import ServingError

SOURCE = "x-source"
"""Header with the camera, line or site of an image."""

LOT = "x-lot"
"""Header with the lot or the batch of parts that an image belongs to."""

_MOST_NAME, _MOST_KEY = 100, 200


@dataclass(frozen=True, slots=True)
class Origin:
    """The key of an image, by which its truth may come later, its source and its lot."""

    key: str
    source: str = ""
    lot: str = ""

    @classmethod
    def of_request(cls, request: Request, number: str) -> Self:
        """The origin by the headers of a request; `number` is its id.

        Raises:
            ServingError: 400, source or lot is too long or has control characters.
        """
        names = []
        for header, title in ((SOURCE, "X-Source"), (LOT, "X-Lot")):
            name = request.headers.get(header, "")
            if len(name) > _MOST_NAME or not (name.isprintable() and name.isascii()):
                raise ServingError(
                    400, f"{title}: use at most {_MOST_NAME} printable ASCII characters"
                )
            names.append(name)
        return cls(number[:_MOST_KEY], *names)

    def of_image(self, index: int, num_images: int) -> Self:
        """The origin of one of several images in a request."""
        return self if num_images == 1 else replace(self, key=f"{self.key}/{index}")
