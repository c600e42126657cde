"""Ensembles, views and dropout: means of shares, and how far members disagree."""

from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.errors import ConfigError
from maskwright.inference.ensemble import Combined, Ensemble, Member, measure_entropy
from maskwright.inference.opening import open_ensemble, split_models
from maskwright.inference.predict import predict
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.views import PLAIN, PROVENANCE, View, parse_views

NAMES = ("sky", "road", "tree", "car")


@pytest.fixture
def model(painted_card, engine_from):
    """A function: a model that gives fixed shares at each pixel."""

    def make(shares_K, model_id="a"):
        logits_K = np.log(np.asarray(shares_K, np.float32))

        def run(image_BCHW):
            size = (len(image_BCHW), len(logits_K), *image_BCHW.shape[2:])
            return np.broadcast_to(logits_K[:, None, None], size).copy()

        return Predictor(engine_from(run), painted_card(names=NAMES), model_id)

    return make


def ensemble_of(*models):
    members = tuple(Member(((PLAIN, model),)) for model in models)
    return replace(models[0], ensemble=Ensemble(members))


IMAGE = np.zeros((3, 5, 3), np.uint8)


def test_two_members_by_hand(model):
    a, b = model([0.7, 0.1, 0.1, 0.1]), model([0.1, 0.7, 0.1, 0.1], "b")
    prediction = ensemble_of(a, b).predict(IMAGE, uncertainty=True)
    assert (prediction.labels_HW == 0).all()
    np.testing.assert_allclose(prediction.confidence_HW, 0.4, atol=1e-5)
    # -(0.8 ln 0.4 + 0.2 ln 0.1) / ln 4 and -(0.7 ln 0.7 + 0.3 ln 0.1) / ln 4
    np.testing.assert_allclose(prediction.entropy_HW, 0.860964, atol=1e-5)
    np.testing.assert_allclose(prediction.mutual_information_HW, 0.860964 - 0.678390, atol=1e-5)


def test_members_that_agree_have_no_mutual_information_and_a_single_one_gives_none(model):
    a = model([0.7, 0.1, 0.1, 0.1])
    both = ensemble_of(a, a).predict(IMAGE, uncertainty=True)
    alone = a.predict(IMAGE, uncertainty=True)
    np.testing.assert_allclose(both.mutual_information_HW, 0, atol=1e-6)
    np.testing.assert_allclose(both.entropy_HW, alone.entropy_HW, atol=1e-5)
    assert alone.mutual_information_HW is None
    assert a.predict(IMAGE).entropy_HW is None


def test_pixels_without_data_have_no_uncertainty(model):
    valid_HW = np.ones((3, 5), bool)
    valid_HW[0, 0] = False
    both = ensemble_of(model([0.7, 0.1, 0.1, 0.1]), model([0.1, 0.7, 0.1, 0.1]))
    prediction = both.predict(IMAGE, valid_HW, uncertainty=True)
    assert prediction.entropy_HW[0, 0] == prediction.mutual_information_HW[0, 0] == 0
    assert prediction.labels_HW[0, 0] == 255


def test_entropy_is_between_sure_and_even():
    even = np.full((4, 1, 1), 0.25, np.float32)
    sure = np.array([1, 0, 0, 0], np.float32)[:, None, None]
    np.testing.assert_allclose(measure_entropy(even, 4), 1, atol=1e-6)
    np.testing.assert_allclose(measure_entropy(sure, 4), 0, atol=1e-6)
    assert Combined(shares_KHW=even, member_entropy_HW=None).information_HW is None


def test_all_ways_of_predicting_an_ensemble_agree(model):
    both = ensemble_of(model([0.6, 0.2, 0.1, 0.1]), model([0.1, 0.7, 0.1, 0.1]))
    one = both.predict(IMAGE)
    (many,) = both.predict_many([IMAGE])
    np.testing.assert_array_equal(one.labels_HW, many.labels_HW)
    np.testing.assert_allclose(one.confidence_HW, many.confidence_HW)
    np.testing.assert_array_equal(one.labels_HW, both.label(IMAGE))
    decision = both.decide(both.logits(IMAGE), IMAGE)
    np.testing.assert_allclose(decision.confidence_HW, one.confidence_HW)


# ---- views ----


def test_views_are_all_flips_at_all_scales(painted_card):
    card = painted_card()
    assert parse_views(None, card) == (PLAIN,)
    assert parse_views("flips", card) == (PLAIN, View(flip_lr=True))
    views = parse_views("flips,scales=0.75:1.25", card)
    assert len(views) == 6
    assert {view.scale for view in views} == {1, 0.75, 1.25}


@pytest.mark.parametrize(
    ("flips", "expected"),
    [(["lr"], 2), (["lr", "ud"], 4), (["ud"], 2)],
)
def test_flips_are_those_of_the_training(painted_card, flips, expected):
    card = painted_card(provenance={PROVENANCE: flips})
    views = parse_views("flips", card)
    assert len(views) == expected
    assert any(view.flip_lr for view in views) == ("lr" in flips)


def test_a_model_trained_without_flips_is_not_flipped(painted_card):
    card = painted_card(provenance={PROVENANCE: []})
    with pytest.raises(ConfigError, match="trained without flips"):
        parse_views("flips", card)
    assert not any(view.flip_lr for view in parse_views("flips,scales=0.5", card))


@pytest.mark.parametrize("text", ["flip", "scales", "scales=0", "scales=a", "scales=9", ""])
def test_a_text_without_a_meaning_is_refused(painted_card, text):
    with pytest.raises(ConfigError, match="--tta"):
        parse_views(text, painted_card())


def test_a_flipped_view_is_flipped_back(painted_bundle, tmp_path):
    """The model reads class k off channel 0, so that every view must give the same map."""
    bundle = painted_bundle(tmp_path / "bundle", names=NAMES).root
    image_HWC = np.random.default_rng(0).integers(0, 4, (6, 8, 3), dtype=np.uint8)
    plain = open_model(bundle).predict(image_HWC)
    flipped = open_ensemble(bundle, tta="flips").predict(image_HWC)
    np.testing.assert_array_equal(plain.labels_HW, flipped.labels_HW)
    np.testing.assert_allclose(plain.confidence_HW, flipped.confidence_HW, atol=1e-5)


def test_a_view_at_another_scale_has_the_size_of_the_image(painted_bundle, tmp_path):
    bundle = painted_bundle(tmp_path / "bundle", names=NAMES).root
    image_HWC = np.zeros((12, 16, 3), np.uint8)
    image_HWC[:, 8:] = 3
    scaled = open_ensemble(bundle, tta="scales=0.5:2").predict(image_HWC)
    assert scaled.labels_HW.shape == (12, 16)
    assert (scaled.labels_HW[:, :6] == 0).all()
    assert (scaled.labels_HW[:, 10:] == 3).all()


# ---- opening ----


def test_models_are_joined_by_a_plus(tmp_path):
    (tmp_path / "a+b").mkdir()
    assert split_models(tmp_path / "a+b") == [str(tmp_path / "a+b")]
    assert split_models("runs/a+runs/b") == ["runs/a", "runs/b"]
    with pytest.raises(ConfigError, match="expected models joined by a plus"):
        split_models("runs/a+")


def test_an_ensemble_needs_one_list_of_classes(painted_bundle, tmp_path):
    a = painted_bundle(tmp_path / "a/bundle", names=NAMES).root
    b = painted_bundle(tmp_path / "b/bundle", names=("sky", "road", "tree")).root
    with pytest.raises(ConfigError, match="have different classes"):
        open_ensemble(f"{a}+{b}")
    same = open_ensemble(f"{a}+{a}")
    assert len(same.ensemble.members) == 2
    assert open_ensemble(a).ensemble is None


def test_dropout_needs_layers_of_dropout(painted_bundle, tmp_path):
    bundle = painted_bundle(tmp_path / "bundle", names=NAMES).root
    with pytest.raises(ConfigError, match="--dropout needs a network with layers of dropout"):
        open_ensemble(bundle, dropout=4)
    with pytest.raises(ConfigError, match="expected 2 passes or more of one model"):
        open_ensemble(f"{bundle}+{bundle}", dropout=4)


def test_dropout_is_drawn_from_its_seed_and_off_afterwards():
    torch = pytest.importorskip("torch")
    from maskwright.inference.engines.torch import TorchEngine

    network = torch.nn.Sequential(torch.nn.Dropout2d(0.5), torch.nn.Conv2d(3, 4, 1)).eval()
    engine = TorchEngine(network)
    x_BCHW = np.ones((1, 3, 4, 4), np.float32)
    one, again, other = (engine.make_stochastic(seed)(x_BCHW) for seed in (3, 3, 5))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, engine(x_BCHW)) or not np.array_equal(one, other)
    assert not any(module.training for module in network.modules())
    np.testing.assert_array_equal(engine(x_BCHW), engine(x_BCHW))
    assert TorchEngine(torch.nn.Conv2d(3, 4, 1)).make_stochastic(0) is None


def test_maps_of_uncertainty_are_written_where_they_are_asked_for(painted_bundle, tmp_path):
    from PIL import Image

    bundle = painted_bundle(tmp_path / "bundle", names=NAMES).root
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / "a.png")
    write = ("entropy", "mutual_information")
    both = open_ensemble(f"{bundle}+{bundle}")
    predict(both, [tmp_path / "a.png"], tmp_path / "out", write=write)
    assert np.asarray(Image.open(tmp_path / "out/mutual_information/a.png")).max() == 0
    assert np.asarray(Image.open(tmp_path / "out/entropy/a.png")).shape == (4, 5)
    alone = open_model(bundle)
    predict(alone, [tmp_path / "a.png"], tmp_path / "one", write=("entropy",))
    assert (tmp_path / "one/entropy/a.png").is_file()
    with pytest.raises(ConfigError, match="and this is one model"):
        predict(alone, [tmp_path / "a.png"], tmp_path / "two", write=write)
