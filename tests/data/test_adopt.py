"""A mapping that is adopted holds for all later commands, and the rest of the file stays."""

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError, OutputError
from maskwright.core.progress import silent
from maskwright.data.adopt import adopt_mapping
from maskwright.data.check.audit import audit
from maskwright.data.check.merges import list_merges
from maskwright.data.classes.proposal import write_proposal
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.score import ScoreOptions, score

MERGED = "classes: [{name: road}, {name: vehicle, from: [car, tree]}]\n"
MASK = np.repeat(np.array([[0, 1, 2, 255]], np.uint8), 4, axis=0)


@pytest.fixture
def data(write):
    """Six images with masks of three classes, named in classes.txt."""
    files: dict[str, object] = {"classes.txt": b"0 road\n1 car\n2 tree\n"}
    for index in range(6):
        files[f"images/{index}.png"] = np.full((4, 4, 3), 30 * index, np.uint8)
        files[f"masks/{index}.png"] = MASK
    return write(files)


@pytest.fixture
def merged(tmp_path):
    path = tmp_path / "elsewhere/merged.yaml"
    path.parent.mkdir()
    path.write_text(MERGED)
    return path


def adopt(data, path):
    return adopt_mapping(data, path, progress=silent)


def test_an_adopted_mapping_holds_from_then_on_and_twice_is_once(data, merged):
    assert adopt(data, merged) == (
        f"{data / 'dataset.yaml'}: 3 classes become 2 by merged.yaml; remove its 'mapping' "
        f"line to have all classes again"
    )
    assert open_dataset(data).spec.names == ("road", "vehicle")
    assert adopt(data, merged).endswith("has the mapping merged.yaml already")
    text = (data / "dataset.yaml").read_text()
    (data / "dataset.yaml").write_text(text.replace("mapping: merged.yaml\n", ""))
    assert open_dataset(data).spec.names == ("road", "car", "tree")


def test_comments_of_a_file_that_a_person_wrote_stay(data, merged):
    text = "# mine\nclasses: [{name: road}, {name: car}, {name: tree}]  # three\n"
    (data / "dataset.yaml").write_text(text)
    adopt(data, merged)
    assert (data / "dataset.yaml").read_text() == f"{text}mapping: merged.yaml\n"


def test_a_second_mapping_is_for_the_classes_of_the_first(data, merged, tmp_path):
    adopt(data, merged)
    second = tmp_path / "all.yaml"
    second.write_text("classes: [{name: thing, from: [vehicle]}]\nignored: [road]\n")
    adopt(data, second)
    assert "mapping: [merged.yaml, all.yaml]\n" in (data / "dataset.yaml").read_text()
    assert open_dataset(data).spec.names == ("thing",)


def test_classes_that_are_inferred_anew_keep_the_mapping(data, merged):
    adopt(data, merged)
    (data / "classes.txt").write_text("0 road\n1 car\n2 tree\n3 bus\n")
    with pytest.raises(ConfigError, match="does not name 'bus'"):
        open_dataset(data)
    (data / "classes.txt").write_text("2 tree\n0 road\n1 car\n")
    assert open_dataset(data).spec.names == ("road", "vehicle")


def test_a_mapping_that_does_not_fit_changes_nothing(data, merged):
    merged.write_text(MERGED.replace("tree", "bush"))
    with pytest.raises(ConfigError, match=r"merged\.yaml: no class named 'bush'"):
        adopt(data, merged)
    assert not (data / "merged.yaml").exists()
    assert "mapping" not in (data / "dataset.yaml").read_text()


def test_another_file_of_its_name_and_a_folder_that_is_read_only_are_refused(data, merged):
    (data / "merged.yaml").write_text("other: 1\n")
    with pytest.raises(DataError, match=r"another file of this name lies beside dataset\.yaml"):
        adopt(data, merged)
    (data / "merged.yaml").unlink()
    data.chmod(0o555)
    try:
        with pytest.raises(OutputError, match="the folder is read-only; use a copy of the dat"):
            adopt(data, merged)
    finally:
        data.chmod(0o755)


def test_score_takes_maps_of_the_classes_before_and_after(data, merged):
    masks = data / "masks"
    options = ScoreOptions(mapping=merged, raw_predictions=True)
    before = score(masks, masks, options=options)
    assert before.labels.names == ("road", "vehicle")
    assert before.miou == 1
    assert f"classes are merged by {merged}" in before.notes
    adopt(data, merged)
    assert score(masks, masks, options=options).labels == before.labels
    vehicles = data.parent / "vehicles"
    vehicles.mkdir(exist_ok=True)
    from PIL import Image

    for path in masks.iterdir():  # as a model of the merged classes predicts
        Image.fromarray(np.minimum(MASK, 1)).save(vehicles / path.name)
    assert score(vehicles, masks).miou == 1


def test_check_proposes_to_merge_alike_names_and_rare_classes(data, tmp_path):
    (data / "classes.txt").write_text("0 road\n1 car\n2 Car\n")
    found = audit(data)
    path = tmp_path / "proposed.yaml"
    write_proposal(path, found.spec, list_merges(found))
    adopt(data, path)
    assert open_dataset(data).spec.names == ("road", "car")
