"""What segmentation-models-pytorch writes beside the tensors of all its networks."""

from maskwright.core.errors import ConfigError

from .files import ForeignCheckpoint


def require_rgb(checkpoint: ForeignCheckpoint) -> None:
    """Require that a network of the library is for three channels.

    Raises:
        ConfigError: It is not.
    """
    channels = checkpoint.config["in_channels"]
    if channels != 3:
        raise ConfigError(
            f"{checkpoint.source}: takes {channels} channels, and nothing in it says how to "
            f"normalise them; expected a network for RGB images"
        )
