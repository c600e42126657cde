"""Published models with the names of their classes, for whatever opens a model."""

from typing import TYPE_CHECKING

from .class_lists import name_classes

if TYPE_CHECKING:
    from ..nn.published import Published


def open_published(source: str, *, accept_licence: bool = False) -> "Published":
    """Open `hub:OWNER/NAME[@REVISION]`, or the folder or file of a published checkpoint.

    Raises:
        ConfigError: See `nn.published.read_published`.
    """
    from ..nn.published import read_published

    return read_published(source, name_classes, accept_licence=accept_licence)
