"""Mix transformers, the encoders of SegFormer, told apart by width and depth."""

from collections.abc import Mapping

from torch import Tensor

from maskwright.core.errors import ConfigError

from .layout import count_blocks

WIDTHS_AND_DEPTHS: dict[tuple[int, tuple[int, ...]], str] = {
    (32, (2, 2, 2, 2)): "mit_b0",
    (64, (2, 2, 2, 2)): "mit_b1",
    (64, (3, 4, 6, 3)): "mit_b2",
    (64, (3, 4, 18, 3)): "mit_b3",
    (64, (3, 8, 27, 3)): "mit_b4",
    (64, (3, 6, 40, 3)): "mit_b5",
}
"""Width of the first stage and blocks of each stage; Xie et al. 2021, table 6."""


def find_encoder(
    source: str, tensors: Mapping[str, Tensor], first: str, blocks: str, start: int = 0
) -> str:
    """The encoder that the tensors are of.

    Args:
        source: Of the checkpoint, for the message.
        tensors: Of the checkpoint.
        first: Name of the first patch embedding.
        blocks: Pattern of the blocks of a stage, with `{}` for the number of the stage.
        start: Number of the first stage.

    Raises:
        ConfigError: None of mit_b0 to mit_b5.
    """
    width = int(tensors[first].shape[0])
    stages = range(start, start + 4)
    depths = tuple(count_blocks(tensors, blocks.format(stage)) for stage in stages)
    encoder = WIDTHS_AND_DEPTHS.get((width, depths))
    if encoder is None:
        raise ConfigError(
            f"{source}: a mix transformer of width {width} and {depths} blocks is none of "
            f"mit_b0 to mit_b5"
        )
    return encoder
