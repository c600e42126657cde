"""Names on the hub, folders and files of published checkpoints; each fault has its message."""

import json
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from maskwright.core.errors import ConfigError
from maskwright.core.hubname import HubName
from maskwright.inference.class_lists import name_classes
from maskwright.inference.published import open_published
from maskwright.nn.licences import is_permissive, read_licence
from maskwright.nn.pretrained.files import read_checkpoint

from ...initial import COMMIT, make_hub

README = "---\nlicense: other\nlicense_name: acme-research\n---\n# A model\n"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    return make_hub(tmp_path, monkeypatch)


def test_a_name_on_the_hub_is_owner_name_and_revision():
    assert HubName.parse("hub:nvidia/mit-b0") == HubName("nvidia/mit-b0")
    assert HubName.parse("hub:a/b.c@v1.0") == HubName("a/b.c", "v1.0")
    assert str(HubName("a/b", "v1")) == "hub:a/b@v1"
    assert HubName.parse("runs/a") is None
    with pytest.raises(ConfigError, match=r"'hub:unet': expected hub:OWNER/NAME"):
        HubName.parse("hub:unet")


def test_a_model_in_the_cache_opens_without_a_network(hub):
    import segmentation_models_pytorch as smp

    smp.Unet("resnet18", encoder_weights=None, classes=19).save_pretrained(hub)
    (hub / "README.md").write_text(README, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"licence: acme-research.*--accept-licence"):
        open_published("hub:acme/unet")
    published = open_published("hub:acme/unet", accept_licence=True)
    assert published.card.labels.names[:2] == ("road", "sidewalk")
    assert published.card.provenance["published"]["revision"] == COMMIT
    assert "licence: acme-research" in published.notes[0]
    assert open_published(f"hub:acme/unet@{COMMIT}", accept_licence=True).card.arch == (
        published.card.arch
    )


def test_without_a_network_one_message_says_how_to_get_the_files(hub):
    with pytest.raises(ConfigError, match=r"no copy.*hf download acme/other --local-dir"):
        read_checkpoint("hub:acme/other")
    with pytest.raises(ConfigError, match=rf"revisions {COMMIT}, main .*--revision v9"):
        read_checkpoint("hub:acme/unet@v9")


def test_faults_of_files_are_told_apart(tmp_path):
    with pytest.raises(ConfigError, match="no such file or folder"):
        read_checkpoint(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"expected model\.safetensors .* found none"):
        read_checkpoint(str(tmp_path))
    path = tmp_path / "a.pth"
    torch.save({"x": pytest.raises}, path)
    with pytest.raises(ConfigError, match="reading it would run code"):
        read_checkpoint(str(path))
    torch.save({"w": torch.zeros(999)}, path)
    path.write_bytes(path.read_bytes()[:-600])
    with pytest.raises(ConfigError, match="or not all of it"):
        read_checkpoint(str(path))
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ConfigError, match="pointer of Git LFS"):
        read_checkpoint(str(path))
    torch.save({"epoch": 3}, path)
    with pytest.raises(ConfigError, match="no tensors by name"):
        read_checkpoint(str(path))
    save_file({"w": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(ConfigError, match=r"found a\.pth, b\.safetensors; give"):
        read_checkpoint(str(tmp_path))


def test_tensors_spread_over_files_are_joined(tmp_path):
    index = {"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index), encoding="utf-8")
    save_file({"a": torch.ones(2, dtype=torch.float16)}, tmp_path / "m-1.safetensors")
    with pytest.raises(ConfigError, match=r"lists 2 files, 1 are missing \(m-2"):
        read_checkpoint(str(tmp_path))
    save_file({"b": torch.zeros(1)}, tmp_path / "m-2.safetensors")
    checkpoint = read_checkpoint(str(tmp_path))
    assert set(checkpoint.tensors) == {"a", "b"}
    assert checkpoint.tensors["a"].dtype == torch.float32


def test_an_unknown_layout_names_the_nearest(tmp_path):
    keys = ("conv1.0.weight", "pag3.f_x.0.weight", "spp.scale0.2.weight", "diff3.0.weight")
    torch.save({key: torch.zeros(1) for key in keys}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="nearest is pidnet, of whose names it has 80%"):
        open_published(str(tmp_path / "w.pth"))


def test_classes_are_known_by_their_number():
    assert name_classes(19).names[-1] == "bicycle"
    assert name_classes(21).names[0] == "background"
    assert name_classes(133).names[132] == "rug-merged"
    assert name_classes(150).names[149] == "flag"
    assert name_classes(3).names == ("class 0", "class 1", "class 2")


def test_licences_are_read_from_the_head_of_a_readme():
    assert read_licence(README) == "acme-research"
    assert read_licence("---\nlicense: apache-2.0\n---\n") == "apache-2.0"
    assert read_licence("# A model\nlicense: mit\n") is None
    assert is_permissive("MIT (of XuJiacong/PIDNet)")
    assert not is_permissive("other (see its page)")
    assert not is_permissive("cc-by-nc-4.0")


def test_the_message_on_a_pickle_of_detectron2_says_how_to_convert_it(tmp_path, monkeypatch):
    arrays = {"stem.weight": np.full((2, 3), 7, np.float32)}
    with (tmp_path / "model_final.pkl").open("wb") as file:
        pickle.dump({"model": arrays, "__author__": "a"}, file)
    with pytest.raises(ConfigError, match=r"arrays of NumPy.*convert it") as refused:
        read_checkpoint(str(tmp_path / "model_final.pkl"))
    monkeypatch.chdir(tmp_path)
    command = str(refused.value).partition('python -c "')[2].removesuffix('"')
    exec(command, {})
    found = read_checkpoint(str(tmp_path / "model_final.pth")).tensors
    assert torch.equal(found["stem.weight"], torch.full((2, 3), 7.0))
