"""A graph may have a second output, `features`; the engine returns its logits."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from maskwright.core import parts
from maskwright.inference.engine import ENGINES, EngineOptions, EnginePart


def test_onnxruntime_returns_the_logits_of_a_graph_with_features(
    painted_bundle, painted_card, tmp_path
):
    plain = painted_bundle(tmp_path / "plain").file("model.onnx")
    model = onnx.load(plain)
    model.graph.node.extend(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
        ]
    )
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", 3])
    model.graph.output.append(features)
    onnx.save(model, tmp_path / "both.onnx")
    part = parts.load(ENGINES, "onnxruntime", like=EnginePart)
    x_BCHW = np.random.default_rng(0).random((2, 3, 5, 7), np.float32)
    logits = [
        part.build(file, painted_card(), EngineOptions())(x_BCHW)
        for file in (plain, tmp_path / "both.onnx")
    ]
    np.testing.assert_array_equal(logits[0], logits[1])
    assert logits[1].shape == (2, 4, 5, 7)
