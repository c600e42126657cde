"""Weights of another revision of an architecture are built as that revision, or refused."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskwright.core.card import ArchSpec
from maskwright.core.codefile import CodeFile
from maskwright.core.errors import BundleError
from maskwright.nn.build import build_model, load_model, new_model, newest
from maskwright.nn.encoders import import_smp
from maskwright.nn.own_model import admit

CODE = """
from pydantic import BaseModel
from torch import nn

class Config(BaseModel):
    pass

def one_pixel(config, encoder, in_channels, num_classes):
    return nn.Conv2d(in_channels, num_classes, 1)

def build(config, encoder, in_channels, num_classes):
    return nn.Conv2d(in_channels, num_classes, 3, padding=1)

ENCODERS, REVISION, OLDER = ("own",), 3, {2: one_pixel}
"""


@pytest.fixture
def arch(tmp_path):
    """Revision 3 of a network of one convolution; revision 2, of one pixel, is kept."""
    (tmp_path / "conv.py").write_text(CODE)
    code = admit(CodeFile.parse("conv.py:build"), tmp_path, is_named=True)
    return newest(ArchSpec(name=str(code), encoder="own"))


@pytest.fixture
def weights(tmp_path):
    def write(kernel_px):
        network = nn.Conv2d(3, 4, kernel_px)
        torch.nn.init.constant_(network.weight, 0.5)
        state = {f"network.{name}": value for name, value in network.state_dict().items()}
        save_file(state, tmp_path / "weights.safetensors")
        return tmp_path / "weights.safetensors"

    return write


def test_a_new_network_has_the_newest_revision(arch):
    assert arch.revision == 3
    older = replace(arch, revision=2)
    assert new_model(older, 3, 4).network.kernel_size == (3, 3)


def test_weights_of_a_kept_revision_are_built_as_that_revision(arch, weights, painted_card):
    card = replace(painted_card(), arch=replace(arch, revision=2))
    network = load_model(card, weights(1)).network
    assert network.kernel_size == (1, 1)
    assert network.weight.unique().tolist() == [0.5]


@pytest.mark.parametrize(
    ("revision", "fix"), [(1, "use the bundle of the run"), (4, "update maskwright")]
)
def test_weights_of_another_revision_are_refused_though_they_would_load(
    revision, fix, arch, weights, painted_card
):
    card = replace(painted_card(), arch=replace(arch, revision=revision))
    expected = rf"of revision {revision} of .*conv\.py.*, this maskwright builds revision 3; "
    with pytest.raises(BundleError, match=expected + fix):
        load_model(card, weights(3))


LIBRARY = {
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3Plus",
    "fpn": "FPN",
    "linknet": "Linknet",
    "manet": "MAnet",
}
SETTINGS = {
    "deeplabv3": {"encoder_output_stride": 16, "decoder_atrous_rates": (6, 12, 18)},
}
ENCODERS = {"deeplabv1": "vgg16", "deeplabv2": "resnet18"}
DILATED_FCN = {"fcn": {"dilated": True}}
ANY_ENCODER = [*LIBRARY, "upernet", "pan", "pspnet", "fcn", "deeplabv2"]


@pytest.mark.parametrize(
    "name", [*ANY_ENCODER, pytest.param("deeplabv1", marks=pytest.mark.long)]
)
@torch.inference_mode()
def test_weights_of_revision_1_never_become_the_changed_network(name, painted_card, tmp_path):
    encoder, config = ENCODERS.get(name, "test_resnet"), DILATED_FCN.get(name, {})
    first = ArchSpec(name=name, encoder=encoder, config=config)
    card = replace(painted_card(), arch=first)
    older = build_model(card)
    save_file(older.state_dict(), tmp_path / "weights.safetensors")
    image = torch.rand(1, 3, 64, 96)
    loaded = load_model(card, tmp_path / "weights.safetensors")
    assert torch.equal(loaded(image), older(image))
    changed = build_model(replace(card, arch=newest(first)))
    assert newest(first).revision == (3 if name == "pan" else 2)
    if set(changed.state_dict()) == set(older.state_dict()):
        changed.load_state_dict(older.state_dict())
        assert not torch.allclose(changed(image), older(image), rtol=1e-3)
    else:
        with pytest.raises(BundleError, match=f"not the weights of this {name}"):
            load_model(replace(card, arch=newest(first)), tmp_path / "weights.safetensors")


@torch.inference_mode()
def test_pan_of_revision_2_pads_its_attention_by_zeros(painted_card):
    torch.manual_seed(0)
    arch = ArchSpec(name="pan", encoder="test_resnet")
    second, third = (
        build_model(replace(painted_card(), arch=replace(arch, revision=revision)))
        for revision in (2, 3)
    )
    third.load_state_dict(second.state_dict())
    image = torch.rand(1, 3, 64, 96)
    assert not torch.allclose(third(image), second(image), rtol=1e-3)
    modes = [
        {m.padding_mode for m in model.network.attention.modules() if isinstance(m, nn.Conv2d)}
        for model in (second, third)
    ]
    assert modes == [{"constant"}, {"replicate"}]


@pytest.mark.parametrize("name", LIBRARY)
@torch.inference_mode()
def test_revision_1_is_the_library_s_network(name, painted_card):
    card = replace(painted_card(), arch=ArchSpec(name=name, encoder="test_resnet"))
    ours = build_model(card)
    make = getattr(import_smp(), LIBRARY[name])
    options = {"encoder_weights": None, "classes": len(card.labels)} | SETTINGS.get(name, {})
    theirs = make("tu-test_resnet", **options)
    theirs.load_state_dict(ours.network.state_dict())
    image = torch.rand(1, 3, 64, 96)
    torch.testing.assert_close(ours(image), theirs.eval()(image))
