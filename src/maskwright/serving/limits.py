"""Limits: what the server takes from clients, and how long it waits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one server; sizes are checked before anything is decoded.

    `body_bytes` bounds the body of a request, also after it is decompressed, and `image_px` the
    pixels of one image. `queue_px` bounds the pixels of all images that are waiting or running,
    and `received_bytes` the bodies that are being received and kept. A client has `receive_s`
    seconds for the head and again for the body of a request; the answer comes within
    `request_s` seconds, or none does. `connections` bounds the open connections.
    """

    body_bytes: int = 64 << 20
    image_px: int = 64_000_000
    queue_px: int = 256_000_000
    received_bytes: int = 1 << 30
    receive_s: float = 8.0
    request_s: float = 60.0
    connections: int = 1000
