"""The vision transformers of DPT, told apart by their tokens."""

from torch import Tensor

from maskwright.core.errors import ConfigError

SIZES = {192: "tiny", 384: "small", 768: "base", 1024: "large"}
SIDES_PX = {197: 224, 577: 384}
"""Side of the images by the number of position embeddings, patches of 16 pixels and a class."""


def find_encoder(source: str, positions_1NC: Tensor) -> str:
    """The encoder whose position embeddings these are.

    Raises:
        ConfigError: Another size of the encoder or of its images.
    """
    num_tokens, width = positions_1NC.shape[1:]
    side_px, size = SIDES_PX.get(num_tokens), SIZES.get(width)
    if side_px is None or size is None:
        raise ConfigError(
            f"{source}: tokens of {width} channels and {num_tokens} positions; expected a "
            f"vision transformer for images of 224 or 384 pixels"
        )
    return f"vit_{size}_patch16_{side_px}"
