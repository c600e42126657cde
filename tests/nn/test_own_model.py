"""A user's own network is named by file and function, and run only where it is admitted."""

from pathlib import Path

import pytest
import torch

from maskwright.core.card import ArchSpec
from maskwright.core.codefile import CodeFile
from maskwright.core.errors import ConfigError
from maskwright.nn.build import load_arch, new_model
from maskwright.nn.own_model import admit, require_contract

PLAIN = """
from torch import nn

def build(in_channels, num_classes):
    return nn.Conv2d(in_channels, num_classes, 3, padding=1)
"""
FULL = """
import segmentation_models_pytorch as smp
from pydantic import BaseModel

class Config(BaseModel):
    model_config = {"extra": "forbid", "frozen": True}
    width: int = 8

ENCODERS = ("resnet18",)

def build(config, encoder, in_channels, num_classes):
    widths = [config.width] * 5
    return smp.Unet(encoder, encoder_weights=None, decoder_channels=widths,
                    in_channels=in_channels, classes=num_classes)
"""


@pytest.fixture
def own(tmp_path):
    """A function: admit a file of this text, named as a card names it."""

    def write(text, function="build"):
        path = tmp_path / "mynet.py"
        path.write_text(text)
        return admit(CodeFile(Path("mynet.py"), function), tmp_path, is_named=True)

    return write


def arch(code, **choices):
    return {"name": str(code), "encoder": "own", "config": {}} | choices


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("./my.net.py:build", ("my.net.py", "build", "")),
        ("a b/net.py:Net", ("a b/net.py", "Net", "")),
        ("net.py:build#0123456789ab", ("net.py", "build", "0123456789ab")),
    ],
)
def test_a_name_tells_file_function_and_digest(text, parts):
    code = CodeFile.parse(text)
    assert (code.file.as_posix(), code.function, code.digest) == parts
    assert CodeFile.parse(str(code)) == code


@pytest.mark.parametrize(
    "text", ["unet", "net.py", "net.py:", "net:build", "net.py:a b", "None"]
)
def test_the_name_of_a_part_is_not_a_file(text):
    assert CodeFile.parse(text) is None


def test_a_plain_function_makes_a_network_of_any_size_and_channels(own):
    code = own(PLAIN)
    assert load_arch(str(code)).ENCODERS == ("own",)
    network = new_model(ArchSpec.from_json(arch(code)), 4, 3).eval()
    assert network(torch.rand(2, 4, 37, 21)).shape == (2, 3, 37, 21)
    require_contract(code, network, (4, 3))


def test_the_full_contract_has_settings_encoders_and_defaults(own):
    code = own(FULL.replace("build(", "make("), "make")
    part = load_arch(str(code))
    assert (part.ENCODERS, part.GOOD_FOR, part.REVISION) == (("resnet18",), "", 1)
    network = new_model(
        ArchSpec.from_json(arch(code, encoder="resnet18", config={"width": 4})), 5, 2
    )
    require_contract(code, network, (5, 2))
    with pytest.raises(ConfigError, match="widht"):
        new_model(ArchSpec.from_json(arch(code, encoder="resnet18", config={"widht": 4})), 3, 2)


def test_code_that_nobody_admitted_is_not_run(tmp_path):
    trap = tmp_path / "mynet.py"
    trap.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{PLAIN}")
    for name in (f"{trap}:build", f"{trap}:build#0123456789ab"):
        with pytest.raises(ConfigError, match="code is run only where you name the file"):
            new_model(ArchSpec.from_json(arch(name)), 3, 2)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_changed_is_refused(own, tmp_path):
    code = own(PLAIN)
    (tmp_path / "mynet.py").write_text(PLAIN + "\n# newer")
    with pytest.raises(ConfigError, match=r"mynet\.py has changed"):
        admit(code, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def make(a, b): ...", r"has no function build; it has make"),
        ("x = 1", r"has no function build; it has none"),
        ("import nowhere_to_be_found", r"cannot be imported: ModuleNotFoundError"),
        ("def build(:", r"cannot be imported: SyntaxError"),
        ("def build(a): ...", r"takes 1 arguments; write build\(in_channels, num_classes\)"),
        ("def build(a, b, c, d): ...", r"takes 4 arguments; .* or a Config and"),
    ],
)
def test_the_error_says_what_is_wrong_with_a_file(own, text, message):
    with pytest.raises(ConfigError, match=message):
        own(text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no file .*mynet\.py; give PATH\.py:FUNCTION"):
        admit(CodeFile(Path("mynet.py"), "build"), tmp_path)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 1", "returns int, expected a torch.nn.Module"),
        ("raise ValueError('no')", r"build\(3, 2\) failed: ValueError: no"),
        ("return nn.Conv2d(in_channels + 1, num_classes, 1)", "the network fails on an image"),
        ("return nn.Conv2d(in_channels, 7, 1)", r"returns \(2, 7, 64, 96\), expected logits"),
        ("return nn.Conv2d(in_channels, num_classes, 3)", r"expected logits of shape"),
    ],
)
def test_a_network_that_breaks_the_contract_is_refused(own, body, message):
    code = own(f"from torch import nn\ndef build(in_channels, num_classes):\n    {body}")
    with pytest.raises(ConfigError, match=message):
        require_contract(code, new_model(ArchSpec.from_json(arch(code)), 3, 2), (3, 2))
