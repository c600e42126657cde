import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.small_sam import write_sam, write_sam2
from torch.nn import functional

from maskwright.core.errors import BundleError, ConfigError
from maskwright.inference.segment_anything import Prompt, open_segment_anything

SIZE_HW = (300, 520)
SQUARE = slice(100, 200), slice(200, 400)
BESIDE = slice(40, 80), slice(20, 60)


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    return write_sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture
def picture_HW3():
    picture_HW3 = np.full((*SIZE_HW, 3), 90, np.uint8)
    picture_HW3[SQUARE] = picture_HW3[BESIDE] = (200, 40, 40)
    return picture_HW3


def _find(graphs, picture_HW3, *prompts):
    features, logits_hw = graphs.encode(picture_HW3), None
    for number in range(1, len(prompts) + 1):
        logits_hw = graphs.decode(features, prompts[:number], logits_hw)
    return graphs.enlarge(logits_hw, features) > 0


def _find_iou(one_HW, other_HW):
    return (one_HW & other_HW).sum() / (one_HW | other_HW).sum()


def _fill(*slices):
    mask_HW = np.zeros(SIZE_HW, np.bool_)
    for part in slices:
        mask_HW[part] = True
    return mask_HW


def test_clicks_and_boxes_find_the_object_at_its_place(sam, picture_HW3):
    graphs = open_segment_anything([sam])
    both_HW = _find(graphs, picture_HW3, Prompt((300, 150)))
    assert _find_iou(both_HW, _fill(SQUARE, BESIDE)) > 0.8
    assert not (both_HW & ~_fill(SQUARE, BESIDE)).any()
    one_HW = _find(graphs, picture_HW3, Prompt((300, 150)), Prompt((440, 240), (180, 90)))
    assert (one_HW == (both_HW & _fill(SQUARE))).mean() > 0.999
    box_HW = _find(graphs, picture_HW3, Prompt((50, 60), (152, 260)))
    assert _find_iou(box_HW, _fill((slice(60, 260), slice(50, 152)))) > 0.96
    outside = Prompt((30, 50), is_inside=False)
    assert not _find(graphs, picture_HW3, Prompt((300, 150)), outside)[SQUARE].any()


def test_exports_of_three_kinds_find_the_same(sam, picture_HW3, tmp_path):
    others = write_sam(tmp_path / "pixels", reads_pixels=True), write_sam2(tmp_path / "sam2")
    prompts = Prompt((300, 150)), Prompt((440, 240), (180, 90))
    first_HW = _find(open_segment_anything([sam]), picture_HW3, *prompts)
    for folder in others:
        files = sorted(folder.glob("*.onnx"))
        found_HW = _find(open_segment_anything(files), picture_HW3, *prompts)
        assert _find_iou(found_HW, first_HW) > 0.9
    assert not open_segment_anything(files).keeps_aspect  # SAM 2 scales both sides


def test_the_logits_are_those_of_the_authors_way(sam, picture_HW3):
    """As `predictor_onnx_example.ipynb` of segment-anything calls the graphs, with torch."""
    graphs = open_segment_anything([sam])
    features = graphs.encode(picture_HW3)
    first = Prompt((300, 150))
    logits_hw = graphs.decode(features, [first], None)
    found_HW = graphs.enlarge(
        graphs.decode(features, [first, Prompt((210, 110))], logits_hw), features
    )
    image = functional.interpolate(
        torch.tensor(picture_HW3).permute(2, 0, 1)[None].float(), (591, 1024), mode="bilinear"
    )
    mean, std = (
        torch.tensor(v).view(3, 1, 1)
        for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    )
    image = functional.pad((image - mean) / std, (0, 0, 0, 1024 - 591)).numpy()
    encoder, decoder = (
        onnxruntime.InferenceSession(sam / f"{name}.onnx") for name in ("encoder", "decoder")
    )
    points = np.array([[[300, 150], [210, 110], [0, 0]]]) * (1024 / 520, 591 / 300)
    low = decoder.run(
        ["low_res_masks"],
        {
            "image_embeddings": encoder.run(None, {"image": image})[0],
            "point_coords": points.astype(np.float32),
            "point_labels": np.array([[1, 1, -1]], np.float32),
            "mask_input": logits_hw[None, None],
            "has_mask_input": np.ones(1, np.float32),
            "orig_im_size": np.array(SIZE_HW, np.float32),
        },
    )[0]
    large = functional.interpolate(torch.tensor(low), (1024, 1024), mode="bilinear")
    truth_HW = functional.interpolate(large[..., :591, :], SIZE_HW, mode="bilinear")[
        0, 0
    ].numpy()
    assert np.abs(found_HW - truth_HW).max() < 0.2  # pictures are scaled by area, as SAM does
    assert ((found_HW > 0) == (truth_HW > 0)).mean() > 0.999


def _rename(folder, name, old, new):
    file = folder / f"{name}.onnx"
    model = onnx.load(file)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if n == old else n for n in names]
    for value in (*model.graph.input, *model.graph.output):
        value.name = new if value.name == old else value.name
    onnx.save(model, file)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("decoder", "mask_input", "mask", "decoder has no mask_input; export it"),
        ("decoder", "iou_predictions", "iou", "decoder has no iou_predictions; export it"),
        (
            "encoder",
            "image_embeddings",
            "x",
            "the encoder encoder.onnx gives x; use the two files of one export",
        ),
        (
            "decoder",
            "point_coords",
            "clicks",
            "decoder.onnx takes image_embeddings, clicks.* expected one encoder",
        ),
    ],
)
def test_graphs_that_do_not_fit_are_refused_by_name(tmp_path, name, old, new, message):
    write_sam(tmp_path)
    _rename(tmp_path, name, old, new)
    with pytest.raises(BundleError, match=message):
        open_segment_anything([tmp_path])


def test_files_that_are_no_graphs_are_refused(tmp_path):
    with pytest.raises(
        ConfigError, match="0 ONNX files; expected two, an encoder and a decoder"
    ):
        open_segment_anything([tmp_path])
    write_sam(tmp_path)
    with pytest.raises(
        ConfigError, match=r"no\.onnx: not a file; give an encoder and a decoder"
    ):
        open_segment_anything([tmp_path / "no.onnx", tmp_path / "decoder.onnx"])
    (tmp_path / "encoder.onnx").write_bytes(b"none")
    with pytest.raises(
        BundleError, match=r"encoder\.onnx: ONNX Runtime .* cannot run this graph"
    ):
        open_segment_anything([tmp_path])
