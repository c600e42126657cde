"""The CRF agrees with its equations, pixel against pixel; with and without numba."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.core import parts
from maskwright.core.errors import BundleError, ConfigError, DataError
from maskwright.core.kernels.kernel import KERNELS, Kernel
from maskwright.core.labels import LabelSpec
from maskwright.core.logits import Logits
from maskwright.data.dataset import open_dataset
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.refine import crf as crf_part
from maskwright.inference.refine.crf import Config, log_marginals
from maskwright.inference.refiner import Refinement
from maskwright.inference.resolution import planes

LABELS = LabelSpec.from_names(("a", "b", "c"))


def exact(logits_KHW, image_HWC, crf):
    """Marginals by the paper's algorithm 1, all pairs of pixels, in float64."""
    num_classes, height, width = logits_KHW.shape
    place_2N = np.indices((height, width)).reshape(2, -1).astype(float)
    colour_CN = image_HWC.reshape(-1, image_HWC.shape[2]).T.astype(float)
    far_NN, unlike_NN = (
        ((f[:, :, None] - f[:, None]) ** 2).sum(0) for f in (place_2N, colour_CN)
    )
    kernels = (
        (crf.w1, np.exp(-far_NN / 2 / crf.theta_alpha**2 - unlike_NN / 2 / crf.theta_beta**2)),
        (crf.w2, np.exp(-far_NN / 2 / crf.theta_gamma**2)),
    )
    unary_KN = -logits_KHW.reshape(num_classes, -1).astype(float)
    share_KN = softmax(-unary_KN)
    potts_KK = 1 - np.eye(num_classes)
    for _ in range(crf.iterations):
        message_KN = sum(
            w * share_KN @ (k_NN / k_NN.sum(axis=1, keepdims=True)).T for w, k_NN in kernels
        )
        share_KN = softmax(-unary_KN - potts_KK @ message_KN)
    return share_KN.reshape(logits_KHW.shape)


def softmax(scores):
    raised = np.exp(scores - scores.max(axis=0))
    return raised / raised.sum(axis=0)


def scene(seed=0, *, size_HW=(30, 40), num_classes=3, channels=3, noise=3.0):
    """A picture of flat rectangles with noise, and doubtful scores of which is which."""
    rng = np.random.default_rng(seed)
    height, width = size_HW
    small = rng.integers(0, num_classes, (height // 10 + 1, width // 10 + 1))
    truth_HW = np.kron(small, np.ones((10, 10), int))[:height, :width]
    colours = rng.integers(40, 215, (num_classes, channels))
    image = colours[truth_HW] + rng.normal(0, noise, (*size_HW, channels))
    is_class = truth_HW == np.arange(num_classes)[:, None, None]
    logits = 1.5 * is_class + rng.normal(0, 1.5, is_class.shape)
    return logits.astype(np.float32), image.clip(0, 255).astype(np.uint8), truth_HW


def of_image(logits_KHW):
    return Logits.of_image(logits_KHW, logits_KHW.shape[1:])


def marginals(logits_Khw, image_HWC, crf, **more):
    logits = Logits.of_image(logits_Khw, image_HWC.shape[:2])
    return np.exp(log_marginals(logits, image_HWC, crf, where="a.png", **more))


CHOICES = (
    Config(),
    Config(theta_alpha=8, theta_beta=20, theta_gamma=3),
    Config(w1=10, theta_alpha=30, theta_beta=8, w2=0, iterations=3),
    Config(w1=0, w2=5, theta_gamma=2),
)


@pytest.fixture(params=("numpy", "numba"))
def with_kernel(request, monkeypatch):
    if request.param != "numpy":
        pytest.importorskip(request.param)
    part = parts.load(KERNELS, request.param, like=Kernel)
    monkeypatch.setattr(crf_part, "kernel", lambda: part)
    return part


@pytest.mark.parametrize("crf", CHOICES, ids=str)
def test_it_agrees_with_all_pairs_of_pixels(crf, with_kernel):
    logits, image, _ = scene()
    expected = exact(logits, image, crf)
    found = marginals(logits, image, crf)
    assert np.abs(found - expected).mean() < 0.01
    assert (found.argmax(axis=0) == expected.argmax(axis=0)).mean() > 0.98


def test_without_colour_it_agrees_to_the_last_digits():
    """The Gaussian of place is summed as it is; only the lattice is approximate."""
    logits, image, _ = scene(3)
    crf = Config(w1=0, w2=5, theta_gamma=2)
    found = marginals(logits, image, crf)
    np.testing.assert_allclose(found, exact(logits, image, crf), atol=1e-4)


def test_two_pixels_by_hand():
    """One round in which both pixels count alike: each message is the mean share."""
    logits = np.log(np.array([[[0.8, 0.4]], [[0.2, 0.6]]], np.float32))
    image = np.zeros((1, 2, 3), np.uint8)
    crf = Config(w1=0, w2=1, theta_gamma=1e3, iterations=1)
    # The means of (0.8, 0.4) and of (0.2, 0.6) are 0.6 and 0.4.
    raised = np.array([[0.8, 0.4], [0.2, 0.6]]) * np.exp([[0.6], [0.4]])
    found = marginals(logits, image, crf)[:, 0]
    np.testing.assert_allclose(found, raised / raised.sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(found[0], [0.830094, 0.448814], atol=1e-5)


@given(st.integers(0, 1000), st.sampled_from((1, 2, 5, 19)), st.sampled_from((1, 3)))
@settings(max_examples=12)
def test_marginals_sum_to_one_and_all_kernels_agree(seed, num_classes, channels):
    logits, image, _ = scene(
        seed, size_HW=(11 + seed % 7, 9 + seed % 13), num_classes=num_classes, channels=channels
    )
    found = []
    for name in parts.names(KERNELS):
        if name != "numpy":
            pytest.importorskip(name)
        part = parts.load(KERNELS, name, like=Kernel)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(crf_part, "kernel", lambda part=part: part)
            found.append(log_marginals(of_image(logits), image, Config(), where="a.png"))
    np.testing.assert_allclose(np.exp(found[0]).sum(axis=0), 1, atol=1e-5)
    assert np.isfinite(found[0]).all()
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(
        found[0], log_marginals(of_image(logits), image, Config(), where="a.png")
    )


def test_noisy_logits_are_corrected_along_the_edges_of_the_image():
    logits, image, truth_HW = scene(noise=2.0)
    before = (logits.argmax(axis=0) == truth_HW).mean()
    after = (marginals(logits, image, CHOICES[1]).argmax(axis=0) == truth_HW).mean()
    assert before < 0.8
    assert after > 0.97


def test_an_image_of_one_colour_smooths_by_place_alone():
    logits, image, _ = scene()
    dark = np.zeros_like(image)
    crf = Config(theta_alpha=5, theta_beta=3)
    found = marginals(logits, dark, crf)
    place_only = exact(logits, dark, Config(w1=0, w2=4, theta_gamma=5))
    both = exact(logits, dark, crf.model_copy(update={"w2": 0}))
    np.testing.assert_allclose(both, place_only, atol=1e-12)
    assert np.abs(found - exact(logits, dark, crf)).mean() < 0.01
    bright = marginals(logits, dark + np.uint8(200), crf)
    assert np.abs(found - bright).mean() < 0.01
    swapped = marginals(logits[:, ::-1], dark, crf)[:, ::-1]
    assert np.abs(found - swapped).mean() < 0.02  # no direction is preferred


def test_one_class_is_sure_everywhere():
    logits, image, _ = scene(num_classes=1)
    assert (marginals(logits, image, Config()) == 1).all()


@pytest.mark.parametrize("size_HW", [(1, 1), (1, 7), (5, 1)])
def test_the_smallest_images_are_refined_too(size_HW, with_kernel):
    logits, image, _ = scene(size_HW=size_HW)
    assert marginals(logits, image, Config()).shape == (3, *size_HW)


def test_logits_of_the_network_s_size_are_enlarged_first():
    logits, image, _ = scene()
    small = np.ascontiguousarray(logits[:, ::4, ::4])
    enlarged = np.stack(list(planes(Logits.of_image(small, image.shape[:2]))))
    found = [marginals(one, image, Config()) for one in (small, enlarged)]
    np.testing.assert_array_equal(*found)


def test_the_temperature_comes_before_the_crf():
    logits, image, _ = scene()
    found = marginals(logits, image, Config(), temperature=2.0)
    np.testing.assert_array_equal(found, marginals(logits / 2, image, Config()))
    assert not np.array_equal(found, marginals(logits, image, Config()))


def test_sixteen_bit_colours_are_scaled_to_those_of_eight():
    logits, image, _ = scene()
    wide = image.astype(np.uint16) * 257
    found = [marginals(logits, one, Config(theta_beta=9.0)) for one in (image, wide)]
    assert np.abs(found[0] - found[1]).mean() < 1e-3


def test_memory_is_bounded_even_where_no_two_pixels_are_alike(monkeypatch):
    monkeypatch.setattr(crf_part, "kernel", lambda: parts.load(KERNELS, "numpy", like=Kernel))
    rng = np.random.default_rng(0)
    num_classes, height, width = 7, 300, 400
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    logits = rng.random((num_classes, height, width), np.float32)
    tracemalloc.start()
    log_marginals(of_image(logits), image, Config(iterations=1), where="a.png")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < (8 * num_classes + 200 + 80 * 6) * height * width + 20e6


@pytest.mark.parametrize("channels", [2, 4])
def test_an_image_neither_grey_nor_rgb_is_refused(channels):
    logits, image, _ = scene(channels=channels)
    with pytest.raises(DataError, match=rf"a\.png: image is \(30, 40, {channels}\), the CRF"):
        marginals(logits, image, Config())


@pytest.mark.parametrize(("num_classes", "size_HW"), [(3, (40, 30)), (0, (30, 40))])
def test_logits_of_another_image_or_of_no_class_are_refused(num_classes, size_HW):
    _, image, _ = scene()
    logits = of_image(np.zeros((num_classes, *size_HW), np.float32))
    with pytest.raises(DataError, match=rf"a\.png: logits of {num_classes} classes for"):
        log_marginals(logits, image, Config(), where="a.png")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("w1=-1", "w1: Input should be greater than or equal to 0"),
        ("theta_beta=0", "theta_beta: Input should be greater than 0"),
        ("theta_alpha=inf", "theta_alpha: Input should be a finite number"),
        ("iterations=0", "iterations: Input should be greater than or equal to 1"),
        ("iterations=2.5", "iterations: Input should be a valid integer"),
        ("w1=much", "w1: Input should be a valid number"),
        ("theta_alfa=3", "theta_alfa: no such key; did you mean 'theta_alpha'"),
    ],
)
def test_settings_without_a_meaning_are_refused(values, message):
    with pytest.raises(ConfigError, match=f"'crf:{values}': {message}"):
        Refinement.from_text(f"crf:{values}", LABELS)


def test_the_defaults_are_those_released_with_deeplab_v2():
    assert str(Refinement.from_text("crf", LABELS)) == (
        "crf:w1=4,theta_alpha=67,theta_beta=3,w2=3,theta_gamma=1,iterations=10"
    )


# ---- in a model ----


@pytest.fixture
def doubtful(painted_card, engine_from):
    """A function: a model whose scores are the noisy ones of the scene."""
    logits, image, _ = scene(num_classes=4)

    def make(refine=None, logits=logits):
        engine = engine_from(lambda image_BCHW: logits[None])
        refinement = refine and Refinement.from_text(refine, painted_card().labels)
        return Predictor(engine, painted_card(), "0123456789abcdef", refinement)

    return make, image, logits


def test_a_model_refines_its_predictions_where_asked(doubtful):
    make, image, logits = doubtful
    chosen = "crf:theta_alpha=8,theta_beta=20"
    plain, prediction = (make(refine).predict(image) for refine in (None, chosen))
    found = marginals(logits, image, Config(theta_alpha=8, theta_beta=20))
    np.testing.assert_array_equal(prediction.labels_HW, found.argmax(axis=0))
    np.testing.assert_allclose(prediction.confidence_HW, found.max(axis=0), atol=1e-6)
    assert (plain.labels_HW != prediction.labels_HW).mean() > 0.1
    assert prediction.labels_HW.max() < 4  # never IGNORE
    logits = (make(r).logits(image).values_Khw for r in (None, chosen))
    np.testing.assert_array_equal(*logits)


def test_nan_logits_name_the_model(doubtful):
    make, image, logits = doubtful
    with pytest.raises(BundleError, match="0123456789abcdef produced NaN or infinite"):
        make("crf", np.full_like(logits, np.nan)).predict(image)


def test_reports_and_class_maps_name_the_refiner(painted_bundle, tmp_path):
    from PIL import Image

    from maskwright.evaluation.evaluate import evaluate
    from maskwright.inference.predict import predict

    index = np.repeat(np.arange(4, dtype=np.uint8), 60).reshape(12, 20)
    for kind, pixels in (("images", np.repeat(index[..., None], 3, 2)), ("masks", index)):
        (tmp_path / "data" / kind / "test").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "data" / kind / "test/a.png")
    names = "".join(f"  - name: {n}\n" for n in ("sky", "road", "tree", "car"))
    (tmp_path / "data/dataset.yaml").write_text(f"classes:\n{names}")
    bundle = painted_bundle(tmp_path / "bundle").root
    crf = "crf:w1=1"
    dataset = open_dataset(tmp_path / "data")
    report, plain = (evaluate(open_model(bundle, refine=r), dataset) for r in (crf, None))
    assert report.settings.refine == {
        "steps": [{"refiner": "crf"} | Config(w1=1.0).model_dump()]
    }
    assert plain.settings.refine is None
    summary = predict(
        open_model(bundle, refine=crf), [tmp_path / "data/images"], tmp_path / "o"
    )
    assert json.loads(json.dumps(summary.to_json()))["refine"]["steps"][0]["w1"] == 1.0
    assert (
        "refined by crf:w1=1,theta_alpha=67"
        in (tmp_path / "o/classes/dataset.yaml").read_text()
    )
