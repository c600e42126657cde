"""The list of architectures, their figures and their errors."""

from concurrent.futures.process import BrokenProcessPool

import pytest

from maskwright.cli.models import _table
from maskwright.core import parts
from maskwright.core.errors import UnknownNameError
from maskwright.nn import catalogue
from maskwright.nn.licences import weights_licence
from maskwright.nn.protocols import ARCHS, Arch


@pytest.mark.parametrize(
    ("encoder", "licence"),
    [
        ("mobilenet_v2", "BSD-3-Clause"),
        ("mit_b2", "NVIDIA, non-commercial only"),
        ("efficientnet-b0", "Apache-2.0"),
        ("resnext101_32x8d", "BSD-3-Clause"),
        ("mobileone_s0", "Apple's own (mobileone-license)"),
        ("xception", "unknown; ask its publisher"),
        ("res2net50_26w_4s", "unknown; ask its publisher"),
        ("convnext_tiny", "apache-2.0"),
        ("convnextv2_tiny", "cc-by-nc-4.0"),
        ("test_resnet", "apache-2.0"),
        ("vit_wee_patch16_reg1_gap_256", "apache-2.0"),
        ("own", "none to download"),
        ("resnext101_32x4d", "none to download"),
        ("dpn92", "none to download"),
        ("botnet50ts_256", "none to download"),
    ],
)
def test_licence_of_weights_is_that_of_their_publisher(encoder, licence):
    assert weights_licence(encoder) == licence


def test_time_and_memory_are_those_of_one_architecture_alone():
    measured = catalogue._measure_in_process("enet", "own")
    assert 1 < measured.latency_ms < 60_000
    assert 1 < measured.cpu_ms < 60_000
    assert 10 < measured.peak_memory_mb < 10_000


def fails_alone(name, encoder):
    if name == "enet":
        raise MemoryError("cannot allocate 3 GB\nin some layer")
    if name == "segnet_basic":
        raise BrokenProcessPool("terminated abruptly")
    return catalogue.ModelCost(device="cpu", latency_ms=1.0, cpu_ms=1.0, peak_memory_mb=None)


def test_an_architecture_that_fails_is_listed_and_the_others_keep_their_figures(monkeypatch):
    monkeypatch.setattr(catalogue, "_measure_in_process", fails_alone)
    found = catalogue.models(("enet", "fastscnn", "segnet_basic"), bench=True)
    assert [entry.error for entry in found] == [
        "MemoryError: cannot allocate 3 GB",
        None,
        "its process was killed (too little memory?)",
    ]
    assert [bool(entry.measured) for entry in found] == [False, True, False]
    assert [entry.num_parameters > 100_000 for entry in found] == [True] * 3
    table = _table(found)
    assert table[1].split()[2:6] == ["0.36", "3.9", "–", "–"]
    assert table[2].split()[4:6] == ["1", "–"]


def test_an_architecture_that_cannot_be_built_is_listed_with_its_error(monkeypatch):
    def refuses(name, encoder):
        raise ValueError

    monkeypatch.setattr(catalogue, "_build_meta_network", refuses)
    (entry,) = catalogue.models(("enet",))
    assert (entry.error, entry.num_parameters) == ("ValueError", None)
    assert _table((entry,))[1].split() == ["enet", "–", "–"]


def test_an_unknown_name_is_refused():
    with pytest.raises(UnknownNameError, match=r"'unett'.*unet"):
        catalogue.models(("unet", "unett"))


def test_table_has_one_more_column_for_each_measured_figure():
    entry = {
        "name": "tiny",
        "encoder": "own",
        "num_parameters": 1_234_567,
        "flops": 9_870_000_000,
        "weights_licence": "none to download",
        "good_for": "Tests.",
    }
    plain = _table((catalogue.ListedModel(**entry),))
    assert plain[1].split()[:4] == ["tiny", "own", "1.23", "9.9"]
    assert plain[1].endswith("none to download        Tests.")
    measured = catalogue.ModelCost(
        device="cpu", latency_ms=12.4, cpu_ms=20.0, peak_memory_mb=345.6
    )
    timed = _table((catalogue.ListedModel(**entry, measured=measured),))
    assert timed[1].split()[:6] == ["tiny", "own", "1.23", "9.9", "12", "346"]
    assert timed[0].split()[4:6] == ["ms", "MB"]


@pytest.mark.parametrize("name", parts.names(ARCHS))
def test_every_architecture_has_one_line_on_what_it_is_good_for(name):
    text = parts.load(ARCHS, name, like=Arch).GOOD_FOR
    assert 10 < len(text) < 90
    assert text.endswith(".")
