import pytest
import torch
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.build import new_model
from maskwright.training.freezing import EncoderFreezing
from maskwright.training.recipe import Recipe, override


def frozen(arch="fpn", encoder="test_resnet", **settings):
    model = new_model(ArchSpec(name=arch, encoder=encoder), 3, 2)
    return model, EncoderFreezing.from_recipe(model, override(Recipe(), settings))


def modes(model):
    encoder = model.network.encoder
    return (
        {p.requires_grad for p in encoder.parameters()},
        {m.training for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)},
    )


def test_the_encoder_is_frozen_until_its_epoch_and_the_decoder_is_not():
    model, mode = frozen(**{"optim.freeze_epochs": 2})
    for epoch, learns in ((0, False), (1, False), (2, True), (3, True)):
        mode.start_epoch(epoch)
        assert modes(model) == ({learns}, {learns})
        decoder = model.network.branches
        assert decoder.training
        assert all(p.requires_grad for p in decoder.parameters())


def test_a_frozen_encoder_gets_no_gradient_and_keeps_its_statistics():
    model, mode = frozen(**{"optim.freeze_epochs": 1})
    mode.start_epoch(0)
    before = {k: v.clone() for k, v in model.network.encoder.state_dict().items()}
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(p.grad is None for p in model.network.encoder.parameters())
    assert any(p.grad is not None for p in model.network.branches.parameters())
    after = model.network.encoder.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_frozen_statistics_stay_while_weights_learn():
    model, mode = frozen(**{"model.norm": "frozen"})
    mode.start_epoch(0)
    assert modes(model) == ({True}, {False})


def test_a_parameter_that_never_trains_is_not_unfrozen():
    model = new_model(ArchSpec(name="fpn", encoder="test_resnet"), 3, 2)
    first = next(model.network.encoder.parameters())
    first.requires_grad_(False)
    mode = EncoderFreezing.from_recipe(model, override(Recipe(), {"optim.freeze_epochs": 1}))
    mode.start_epoch(0)
    mode.start_epoch(1)
    assert not first.requires_grad


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"optim.freeze_epochs": 1},
            r"freezes the encoder, but its weights are random",
        ),
        (
            {"model.norm": "frozen"},
            r"'frozen' keeps the statistics that come with the",
        ),
    ],
)
def test_freezing_random_weights_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        override(Recipe(), {"model.encoder_weights": "none"} | settings)
