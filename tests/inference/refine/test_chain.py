"""Chains of refiners: their file, their order, and their place in a Bundle."""

import json
from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.bundle import add_files, fill_bundle, open_bundle
from maskwright.core.card import ModelCard
from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.labels import LabelSpec
from maskwright.core.logits import Logits
from maskwright.core.refinechain import RefineChain, RefineStep
from maskwright.core.verdict import ClassRule, VerdictRule
from maskwright.inference.predictor import open_model
from maskwright.inference.refiner import Refinement, SourceImage, read_chain
from maskwright.inference.resolution import decide
from maskwright.inference.verdict import apply_rule

LABELS = LabelSpec.from_names(("sky", "car", "bus", "road"))
CHAIN = """
families: {vehicle: [car, bus]}
steps:
  - {refiner: guided, radius_px: 4}
  - {refiner: vote, classes: [vehicle]}
  - refiner: components
    classes: [vehicle, sky]
    area: 12 px
"""


def test_a_file_names_families_and_steps_in_order(tmp_path):
    path = tmp_path / "chain.yaml"
    path.write_text(CHAIN)
    chain = read_chain(path)
    assert [step.refiner for step in chain.steps] == ["guided", "vote", "components"]
    assert chain.steps[2].classes == ("car", "bus", "sky")
    built = Refinement.from_text(str(path), LABELS)
    assert str(built) == (
        "guided:radius_px=4,epsilon=0.001, then vote:classes=car+bus, then "
        "components:classes=car+bus+sky,area=12 px"
    )
    assert RefineChain.from_json(json.loads(json.dumps(built.to_json()))) == built.chain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: []", r"line 1: steps: List should have at least 1 item"),
        ("step: [{refiner: crf}]", "unknown key 'step'; did you mean 'steps'"),
        ("steps:\n- {name: crf}", "line 2: a step names its refiner, such as"),
        ("steps:\n- {refiner: crff}", "named 'crff'; did you mean 'crf'"),
        ("steps:\n- {refiner: crf, w: 1}", "line 2: crf: w: no such key"),
        ("steps:\n- {refiner: vote}", "line 2: vote: the refiner 'vote' needs"),
        ("steps:\n- {refiner: crf, classes: car}", "expected a list of names"),
        ("version: 9\nsteps: [{refiner: crf}]", "of version 9, this maskwright"),
    ],
)
def test_a_file_that_is_not_a_chain_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "chain.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_chain(path)


def test_a_class_that_the_model_lacks_is_refused():
    with pytest.raises(ConfigError, match="'vote' names 'carr', which is not a class of the"):
        Refinement.from_text("vote:classes=carr+bus", LABELS)


def test_a_refiner_of_shares_does_not_follow_one_of_classes():
    steps = (RefineStep(refiner="holes"), RefineStep(refiner="guided"))
    with pytest.raises(ConfigError, match="would undo what 'holes' before it did; put"):
        Refinement.from_chain(RefineChain(steps), LABELS)


def test_steps_are_applied_in_order():
    """First the speck goes, so nothing is left that the hole could be filled around."""
    labels_HW = np.zeros((7, 7), np.uint8)
    labels_HW[2:5, 2:5] = 1
    labels_HW[3, 3] = 2
    logits_KHW = 3 * (labels_HW == np.arange(4)[:, None, None]).astype(np.float32)
    image = SourceImage(np.zeros((7, 7, 3), np.uint8))
    fill, remove = (
        RefineStep(refiner="holes", classes=("car",), settings={"area": "1 px"}),
        RefineStep(refiner="components", classes=("car",), settings={"area": "9 px"}),
    )

    def run(*steps):
        decision = decide(Logits.of_image(logits_KHW, (7, 7)))
        return Refinement.from_chain(RefineChain(steps), LABELS)(decision, image).labels_HW

    assert (run(fill, remove) == 1).sum() == 9
    assert (run(remove, fill) == 1).sum() == 0


# ---- in a Bundle ----


def with_chain(bundle, out, *, chain=None, rule=None):
    """Write the Bundle again, with a chain and a rule in its card."""
    opened = open_bundle(bundle)
    with fill_bundle(out) as folder:
        files = {name: opened.file(name) for name in opened.files}
        card = replace(opened.card, refine=chain, decide=rule)
        add_files(folder, card, files, graphs=opened.graphs)
    return out


SPECKS = RefineChain((RefineStep(refiner="components", settings={"area": "5 px"}),))


@pytest.fixture
def scene():
    """An image that the painted model sees as road with a speck of car."""
    image_HWC = np.full((12, 12, 3), 3, np.uint8)
    image_HWC[5, 5:7, 0] = 1
    return image_HWC


@pytest.fixture
def refining(painted_bundle, tmp_path):
    bundle = painted_bundle(tmp_path / "plain/bundle", names=LABELS.names).root
    return bundle, with_chain(bundle, tmp_path / "refining", chain=SPECKS)


def test_the_chain_of_a_bundle_is_applied_replaced_and_left_out(refining, scene):
    plain, bundle = refining
    assert (open_model(plain).label(scene) == 1).sum() == 2
    model = open_model(bundle)
    assert (model.label(scene) == 1).sum() == 0
    assert (model.predict(scene).labels_HW == 1).sum() == 0
    assert str(model.refine) == "components:area=5 px"
    assert (open_model(bundle, refine="none").label(scene) == 1).sum() == 2
    replaced = open_model(bundle, refine="components:area=2 px")
    assert (replaced.label(scene) == 1).sum() == 2


def test_a_card_keeps_its_chain_and_refuses_one_of_other_classes(painted_card):
    card = replace(painted_card(names=LABELS.names), refine=SPECKS)
    assert ModelCard.from_json(card.to_json(), where="card").refine == SPECKS
    document = card.to_json()
    document["refine"]["steps"][0]["classes"] = ["tram"]
    with pytest.raises(BundleError, match="tram"):
        ModelCard.from_json(document, where="card")
    assert "refine" not in painted_card().to_json()


def test_the_rule_for_verdicts_follows_the_chain(refining, scene, tmp_path):
    plain, _ = refining
    rule = VerdictRule(classes={"car": ClassRule(threshold=0.3)}, miss=0.01)
    only_rule = open_model(with_chain(plain, tmp_path / "a", rule=rule)).predict(scene)
    assert only_rule.verdict.classes == ("car",)
    both = open_model(with_chain(plain, tmp_path / "b", chain=SPECKS, rule=rule))
    prediction = both.predict(scene)
    assert prediction.verdict.is_ok
    assert (prediction.labels_HW == 3).all()
    with pytest.raises(ConfigError, match="were chosen with components:area=5 px; leave out"):
        open_model(tmp_path / "b", refine="none")


def test_a_pixel_that_a_refiner_gave_to_a_class_of_the_rule_is_reported_with_it():
    """A hole in a car is filled: the region of the car is whole, and large enough."""
    labels_HW = np.full((5, 5), 3, np.uint8)
    labels_HW[1:4, 1:4] = 1
    labels_HW[2, 2] = 0
    logits_KHW = 3 * (labels_HW == np.arange(4)[:, None, None]).astype(np.float32)
    decision = decide(Logits.of_image(logits_KHW, (5, 5)))
    filled = Refinement.from_text("holes:classes=car,area=1 px", LABELS)(
        decision, SourceImage(np.zeros((5, 5, 3), np.uint8))
    )
    rule = VerdictRule(classes={"car": ClassRule(threshold=0.5, smallest_area_px=9)}, miss=0.01)
    assert apply_rule(decision, rule, LABELS).reported == ()
    decided = apply_rule(filled, rule, LABELS)
    assert decided.reported == (1,)
    assert (decided.labels_HW == 1).sum() == 9
    too_large = VerdictRule(
        classes={"car": ClassRule(threshold=0.5, smallest_area_px=10)}, miss=0.01
    )
    refused = apply_rule(filled, too_large, LABELS)
    assert refused.labels_HW[2, 2] == 0
    assert np.isfinite(refused.best_HW).all()
