"""ONNX files of others, in every layout: graphs that tell the class by the red channel."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from maskwright.core.trust import hash_file, remember

NAMES = "road", "tree", "car"
SCALE = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
IMAGE = np.array([[[0, 9, 9], [1, 9, 9]], [[2, 9, 9], [1, 0, 0]]], np.uint8)
"""The red channel holds the class, in every graph below."""

WEIGHT = np.zeros((3, 3), np.float32)
WEIGHT[:, 0] = [0, 2 * 255, 4 * 255]
BIAS = np.array([0, -1, -4], np.float32)
"""2 k x - k^2 of x = 255 * red is largest for the class k that is nearest to x."""


def make_graph(
    *,
    nhwc=False,
    out="logits",
    dtype=TensorProto.FLOAT,
    shape=None,
    bgr=False,
    opset=17,
    stride=1,
    num_classes=3,
    extra=(),
    names=("pixels", None),
):
    """A graph that tells the class by the red channel; `out` says what it gives.

    `names` are those of its input and its output, None for any.
    """
    nodes, constants = [], {}

    def add(operator, *inputs, **how):
        name = f"v{len(nodes)}"
        nodes.append(helper.make_node(operator, list(inputs), [name], **how))
        return name

    def constant(name, value):
        constants[name] = numpy_helper.from_array(value, name)
        return name

    weight = WEIGHT[:num_classes, ::-1] if bgr else WEIGHT[:num_classes]
    if dtype == TensorProto.UINT8:
        weight = weight / 255
    value = names[0]
    if dtype != TensorProto.FLOAT:
        value = add("Cast", value, to=TensorProto.FLOAT)
    if nhwc:
        value = add("Transpose", value, perm=[0, 3, 1, 2])
    kernel = np.ascontiguousarray(weight)[:, :, None, None]
    kernel = kernel * np.ones((1, 1, stride, stride), np.float32) / stride**2
    weights = constant("weight", kernel.astype(np.float32))
    value = add(
        "Conv", value, weights, constant("bias", BIAS[:num_classes]), strides=[stride, stride]
    )
    value = _add_end(add, constant, value, out)
    if nhwc and not out.startswith("labels"):
        value = add("Transpose", value, perm=[0, 2, 3, 1])
    if names[1] is not None:
        nodes[-1].output[0] = value = names[1]
    outputs = [value, *extra]
    kinds = [TensorProto.INT64 if out in {"labels3", "labels4"} else TensorProto.FLOAT]
    shape = shape or (["B", "H", "W", 3] if nhwc else ["B", 3, "H", "W"])
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info(names[0], dtype, shape)],
        [helper.make_tensor_value_info(n, (kinds * 9)[i], None) for i, n in enumerate(outputs)],
        list(constants.values()),
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="hand")


def _add_end(add, constant, value, out):
    """The nodes from logits to what the graph gives."""
    if out == "probabilities":
        return add("Softmax", value, axis=1)
    if out in {"second", "sigmoid"}:  # of class 1 of two, whose logit is 2 x - 1
        ends = (("starts", 1), ("ends", 2), ("axes", 1))
        value = add("Slice", value, *(constant(name, np.array([n])) for name, n in ends))
        return add("Sigmoid", value) if out == "sigmoid" else value
    if out.startswith("labels"):
        value = add("ArgMax", value, axis=1, keepdims=int(out == "labels4"))
        return add("Cast", value, to=TensorProto.FLOAT) if out == "labels_float" else value
    return value


def write_files(folder, model, *, names=NAMES, told=SCALE):
    """Write the graph, its classes and input.yaml; the arguments of `import_onnx`."""
    file, spec = folder / "net.onnx", folder / "classes.txt"
    onnx.save(model, file)
    remember("graph", hash_file(file))  # else each has a trial in a process
    spec.write_text("".join(f"{i} {n}\n" for i, n in enumerate(names)), encoding="utf-8")
    (folder / "input.yaml").write_text(json.dumps(told), encoding="utf-8")
    return {
        "file": file,
        "out": folder / "bundle",
        "spec": spec,
        "input_file": folder / "input.yaml",
    }


def write_dataset(folder, *, num_train=4, num_val=2, size_HW=(96, 160)):
    """Images whose red channel holds the class, in strips, with their masks."""
    import cv2

    rng, index = np.random.default_rng(0), 0
    for split, num in (("train", num_train), ("val", num_val)):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
        for _ in range(num):
            labels_HW = np.repeat(rng.integers(0, 3, size_HW[1] // 8), 8)[None]
            labels_HW = np.repeat(labels_HW, size_HW[0], axis=0).astype(np.uint8)
            image_HWC = rng.integers(0, 256, (*size_HW, 3), np.uint8)
            image_HWC[..., 2] = labels_HW  # OpenCV writes BGR
            cv2.imwrite(str(folder / "images" / split / f"{index}.png"), image_HWC)
            cv2.imwrite(str(folder / "masks" / split / f"{index}.png"), labels_HW)
            index += 1
    lines = "".join(f"{i} {n}\n" for i, n in enumerate(NAMES))
    (folder / "classes.txt").write_text(lines, encoding="utf-8")
    return folder
