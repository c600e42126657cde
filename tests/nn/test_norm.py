import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.blocks.norm import replace_by_group_norm
from maskwright.nn.build import new_model


def arch(encoder, norm="group"):
    return {"name": "fpn", "encoder": encoder, "config": {}, "norm": norm}


@pytest.mark.parametrize("encoder", ["test_resnet", "resnet18", "tf_efficientnet_lite0"])
def test_no_batch_statistics_are_left_and_images_of_a_batch_are_independent(encoder):
    model = new_model(ArchSpec.from_json(arch(encoder)), 3, 2)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model.train()(x)[:1], model(x[:1]), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(model.train()(x), model.eval()(x), atol=1e-4, rtol=1e-3)


def test_scale_shift_and_activation_are_kept():
    from timm.layers import BatchNormAct2d

    norm = BatchNormAct2d(8)
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 1.0)
    found = replace_by_group_norm(nn.Sequential(norm))
    x = torch.randn(2, 8, 5, 5)
    expected = 2 * nn.functional.group_norm(x, 4) + 1
    torch.testing.assert_close(found(x), expected.relu(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("channels", "groups"), [(64, 32), (48, 16), (16, 8), (32, 16), (7, 1)]
)
def test_groups_are_at_most_32_and_of_two_channels_at_least(channels, groups):
    found = replace_by_group_norm(nn.Sequential(nn.BatchNorm2d(channels)))
    assert found[0].num_groups == groups
    found(torch.randn(1, channels, 1, 1))


def test_another_norm_is_refused():
    with pytest.raises(ConfigError, match=r"model\.norm 'layer' is not known; use batch"):
        new_model(ArchSpec.from_json(arch("test_resnet", "layer")), 3, 2)
