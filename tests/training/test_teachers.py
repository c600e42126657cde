"""A student learns from its teachers: in a whole run, and where they do not fit."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from tests.foreign_graphs import make_graph, write_files
from tests.initial import CONFIG, HALF, SETTINGS, write_checkpoint
from torch.nn.functional import interpolate

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import IGNORE
from maskwright.data.dataset import open_dataset
from maskwright.export.foreign.bundle import import_onnx
from maskwright.inference.predictor import open_model
from maskwright.nn.build import new_model
from maskwright.nn.loss import build_loss
from maskwright.training.options import TrainOptions
from maskwright.training.recipe import Recipe, override
from maskwright.training.run import train
from maskwright.training.samples.loader import Batch, Crops, Normalize
from maskwright.training.samples.unlabelled import Unlabelled
from maskwright.training.teachers import Distillation, find_teachers

STUDENT = {"model.arch": "fpn", "model.encoder": "test_resnet", "model.config": CONFIG}
STUDENT |= {"model.encoder_weights": "none"}


@pytest.fixture(scope="module")
def names(street):
    return open_dataset(street).spec.names


@pytest.fixture(scope="module")
def teacher(names, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher") / "t"
    write_checkpoint(folder, names)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Images without labels, of another size than those of the street."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(folder / f"p{number}.png"), rng.integers(0, 255, (80, 90, 3), np.uint8))
    return folder


def recipe_with(teacher, **more):
    dotted = {key.replace("__", "."): value for key, value in more.items()}
    return override(Recipe(), STUDENT | SETTINGS | {"distil.teachers": str(teacher)} | dotted)


def batch_of(recipe, num_classes, *, is_labelled=None):
    torch.manual_seed(1)
    image = torch.randint(255, (2, 64, 64, 3), dtype=torch.uint8)
    batch = Batch(image=image, labels=torch.randint(num_classes, (2, 64, 64)), key=["a", "b"])
    if is_labelled is not None:
        batch["is_labelled"] = torch.tensor(is_labelled)
    return batch


def student_of(recipe, num_classes):
    torch.manual_seed(2)
    return new_model(recipe.model.graph, 3, num_classes)


@pytest.mark.slow
def test_a_run_learns_from_a_teacher_and_from_images_without_labels(
    street, teacher, photos, names, tmp_path
):
    settings = STUDENT | SETTINGS | {"schedule.epochs": 1, "distil.pairs": 1.0}
    settings |= {"distil.teachers": [str(teacher)], "distil.unlabelled": str(photos)}
    run = train(street, tmp_path / "run", TrainOptions(settings=settings))
    entry = run.bundle.card.provenance["distil"]
    assert entry["unlabelled_images"] == 3
    assert set(entry["teachers"][0]["files"]) == {"weights.safetensors"}
    text = (tmp_path / "run" / "recipe.yaml").read_text()
    assert f"teachers: ['{teacher}']" in text or f"teachers: [{teacher}]" in text


def test_the_loss_is_that_of_labels_and_the_divergence_from_the_teacher(teacher, names):
    recipe = recipe_with(teacher, distil__pixels=0.5, distil__classes=2.0)
    student, batch = student_of(recipe, len(names)), batch_of(recipe, len(names))
    of_labels = build_loss("ce", {}, None)
    distillation = Distillation.open(recipe, student, "cpu")
    labels, guided = distillation.guide(batch, of_labels)
    assert labels.equal(batch["labels"])
    logits = student(Normalize.of_recipe(recipe)(batch["image"]))
    own = of_labels(logits, labels).item()
    whole = guided(logits, labels).item()
    assert whole > own
    plain = recipe_with(teacher, distil__pixels=0.0, distil__classes=0.0)
    _, unguided = Distillation.open(plain, student, "cpu").guide(batch, of_labels)
    assert unguided(logits, labels).item() == pytest.approx(own)


def test_a_student_equal_to_its_teacher_gets_no_more_than_the_loss_of_labels(teacher, names):
    spec = {"input.mean": list(HALF.mean), "input.std": list(HALF.std)}
    recipe = override(recipe_with(teacher, distil__pairs=1.0, distil__classes=1.0), spec)
    batch = batch_of(recipe, len(names))
    student = student_of(recipe, len(names))
    distillation = Distillation.open(recipe, student, "cpu")
    student.load_state_dict(distillation.teachers[0].model.state_dict())
    student.eval()
    of_labels = build_loss("ce", {}, None)
    labels, guided = distillation.guide(batch, of_labels)
    logits = student(Normalize.of_recipe(recipe)(batch["image"]))
    assert guided(logits, labels).item() == pytest.approx(of_labels(logits, labels).item())
    assert distillation.compare_features().item() == pytest.approx(0, abs=1e-6)


def test_a_teacher_sees_the_crops_at_its_own_scale(names, tmp_path):
    write_checkpoint(tmp_path / "half", names, spec=replace(HALF, scale_ratio=0.5))
    recipe = recipe_with(tmp_path / "half")
    batch = batch_of(recipe, len(names))
    teacher = Distillation.open(recipe, student_of(recipe, len(names)), "cpu").teachers[0]
    seen = []
    teacher.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    assert teacher(batch["image"]).shape == (2, len(names), 64, 64)
    assert seen == [(2, 3, 32, 32)]


def test_an_imported_graph_teaches_by_its_logits_at_full_size(tmp_path):
    arguments = write_files(tmp_path, make_graph(stride=4))
    root = import_onnx(**arguments).bundle.root
    recipe = recipe_with(root)
    batch = batch_of(recipe, 3)
    (teacher,) = Distillation.open(recipe, student_of(recipe, 3), "cpu").teachers
    engine = open_model(root).engine
    x_BCHW = batch["image"].permute(0, 3, 1, 2).float().numpy() / 255
    expected = torch.from_numpy(engine(x_BCHW))
    assert expected.shape == (2, 3, 16, 16)
    expected = interpolate(expected, (64, 64), mode="bilinear")
    torch.testing.assert_close(teacher(batch["image"]), expected, rtol=1e-4, atol=1e-3)
    assert not list(teacher.parameters())
    odd_BHWC = batch["image"][:, :61, :50]
    assert teacher(odd_BHWC).shape == (2, 3, 61, 50)
    (found,) = find_teachers(recipe.distil)
    assert set(found.make_provenance()["files"]) == {"model.onnx"}
    pairs = override(recipe, {"distil.pairs": 1.0})
    with pytest.raises(ConfigError, match="compares features of encoders, and an imported gra"):
        Distillation.open(pairs, student_of(recipe, 3), "cpu")
    fixed = write_files(tmp_path, make_graph(shape=[1, 3, 128, 160]))
    root = import_onnx(**fixed | {"out": tmp_path / "fixed"}).bundle.root
    with pytest.raises(ConfigError, match="takes images of 128x160 alone, and a student le"):
        Distillation.open(recipe_with(root), student_of(recipe, 3), "cpu")


def test_images_without_labels_get_the_labels_of_a_sure_teacher(teacher, names):
    recipe = recipe_with(teacher, distil__confidence=0.0)
    batch = batch_of(recipe, len(names), is_labelled=[True, False])
    batch["labels"][1] = 0
    batch["labels"][1, :9] = IGNORE  # beyond the image
    distillation = Distillation.open(recipe, student_of(recipe, len(names)), "cpu")
    labels, _ = distillation.guide(batch, build_loss("ce", {}, None))
    said = distillation.teachers[0](batch["image"])[1].argmax(0)
    assert labels[0].equal(batch["labels"][0])
    assert labels[1, 9:].equal(said[9:])
    assert (labels[1, :9] == IGNORE).all()


def test_samples_of_images_without_labels_have_their_share_and_are_drawn_again(
    street, photos, teacher
):
    recipe = recipe_with(teacher, distil__unlabelled=str(photos), distil__unlabelled_share=0.5)
    data = open_dataset(street)
    counts_NC = np.ones((len(data), len(data.spec)), np.int64)
    unlabelled = Unlabelled.open(photos, recipe.input.spec, data)
    crops = Crops(data.__getitem__, counts_NC, recipe, num_samples=40, unlabelled=unlabelled)
    items = [crops[n] for n in range(40)]
    without = [item for item in items if not item["is_labelled"]]
    assert 10 <= len(without) <= 30
    assert {item["key"] for item in without} == {"p0", "p1", "p2"}
    assert all(set(item["labels"].unique().tolist()) <= {0, IGNORE} for item in without)
    assert crops[7]["image"].equal(items[7]["image"])


def test_images_of_the_validation_are_not_learned_without_labels(street, tmp_path):
    data = open_dataset(street)
    image = data.entries[2].image.path
    (tmp_path / image.name).write_bytes(image.read_bytes())
    with pytest.raises(DataError, match=r"1 image of the validation, such as .*take them out"):
        Unlabelled.open(tmp_path, HALF, data)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"distil.teachers": "nowhere"}, "teacher nowhere: no Bundle, run or checkpoint"),
        ({"distil.unlabelled": "photos"}, "give distil.teachers too"),
        (
            {"distil.teachers": "TEACHER", "model.arch": "mask2former", "model.config": {}},
            "mask2former learns by a loss of its own",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_named_before_data_are_read(
    more, message, teacher, tmp_path
):
    more = {key: str(teacher) if value == "TEACHER" else value for key, value in more.items()}
    with pytest.raises(ConfigError, match=message):
        train(tmp_path / "no data", tmp_path / "run", TrainOptions(settings=STUDENT | more))
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes_is_refused(street, tmp_path):
    write_checkpoint(tmp_path / "t", ("sky", "road"))
    settings = STUDENT | SETTINGS | {"distil.teachers": str(tmp_path / "t")}
    with pytest.raises(ConfigError, match="its classes are sky, road, those of the dataset"):
        train(street, tmp_path / "run", TrainOptions(settings=settings))


def test_a_teacher_of_other_input_is_refused(names, tmp_path):
    spec = InputSpec(channels=1, mean=(0.5,), std=(0.2,))
    write_checkpoint(tmp_path / "t", names, spec=spec)
    recipe = recipe_with(tmp_path / "t")
    with pytest.raises(ConfigError, match=r"input\.channels is 3, its is 1; give the student"):
        Distillation.open(recipe, student_of(recipe, len(names)), "cpu")


def test_networks_that_cannot_learn_so_say_why(teacher, names):
    recipe = recipe_with(teacher, distil__pairs=1.0)
    whole = new_model(ArchSpec(name="fastscnn", encoder="own"), 3, len(names))
    with pytest.raises(ConfigError, match=r"without one; set distil\.pairs to 0"):
        Distillation.open(recipe, whole, "cpu")
