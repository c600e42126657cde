"""Names that the published code of PIDNet and of DDRNet share."""

from collections.abc import Mapping

from torch import Tensor

RESIDUAL = {
    r"\.2\.(body|shortcut)": r".1.\1",
    r"\.4\.(body|shortcut)": r".2.\1",
    r"\.body\.0": ".conv1",
    r"\.body\.1": ".bn1",
    r"\.body\.3": ".conv2",
    r"\.body\.4": ".bn2",
    r"\.body\.6": ".conv3",
    r"\.body\.7": ".bn3",
    r"(\d)\.shortcut": r"\1.downsample",
}
TWO_BRANCHES = {
    r"^stem\.0": "conv1",
    r"^stem\.1\.0": "conv1.3",
    r"^stem\.1\.1": "conv1.4",
    r"^stem\.2": "layer1",
    r"^stem\.4": "layer2",
    r"^context\.reduced\.0": "spp.scale0",
    r"^context\.reduced\.(\d)\.0": r"spp.scale\1.1",
    r"^context\.reduced\.(\d)\.2": r"spp.scale\1.3",
    r"^context\.mix": "spp.compression",
    r"^context\.shortcut": "spp.shortcut",
    r"^head": "final_layer",
    r"(final_layer|aux_head|border_head)\.0": r"\1.bn1",
    r"(final_layer|aux_head|border_head)\.2": r"\1.conv1",
    r"(final_layer|aux_head|border_head)\.3": r"\1.bn2",
    r"(final_layer|aux_head|border_head)\.5": r"\1.conv2",
}

CAMVID = (
    "bicyclist, building, car, column_pole, fence, pedestrian, road, sidewalk, sign, sky, tree"
)
"""Order of the 11 classes of CamVid: PIDNet's datasets/camvid.py, `color_list`."""


def fold_biases(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Move the biases of the stem into the running means of the normalisation that follows.

    BN(x + b) with mean m is BN(x) with mean m - b; our convolutions have no bias there.
    """
    folded = dict(tensors)
    for conv, norm in (("conv1.0", "conv1.1"), ("conv1.3", "conv1.4")):
        bias = folded.pop(f"{conv}.bias", None)
        if bias is not None:
            folded[f"{norm}.running_mean"] = folded[f"{norm}.running_mean"] - bias
    return folded
