"""Small graphs with the inputs and outputs of Segment Anything, which group like colours.

A pixel is of the object where its colour is near that of a click inside, far from those
outside, and within the box. The logits of the prompts before count for a quarter.
"""

from textwrap import dedent

import onnx.parser

_SIGNATURE = """
   float[1,P,2] point_coords, float[1,P] point_labels, float[1,1,256,256] mask_input,
   float[1] has_mask_input"""

_DECODER = """
<ir_version: 8, opset_import: ["" : 17]>
decoder ({inputs}) => ({outputs}) <
  float side = {{16.0}}, float most = {{63.0}}, float none = {{0.0}}, float near = {{0.3}},
  float far = {{-99.0}}, float not_clicked = {{-50.0}},
  float five = {{5.0}}, float ten = {{10.0}}, float quarter = {{0.25}},
  float one = {{1.0}}, float two = {{2.0}}, float three = {{3.0}}, float half = {{0.5}},
  int64[1] axis0 = {{0}}, int64[1] axis1 = {{1}}, int64[1] last = {{-1}},
  int64[1] first = {{0}}, int64[1] second = {{1}}, int64[2] backwards = {{1, 0}},
  int64[4] flat = {{-1, 1, 1, 3}}, int64[3] cube = {{-1, 1, 1}},
  int64[4] whole = {{1, 1, 256, 256}},
  int64[2] grid = {{64, 64}}, float zero = {{0.0}}, float sixtyfour = {{64.0}}
> {{
  picture = Squeeze ({features}, axis0)
  colors = Transpose <perm = [1, 2, 0]> (picture)
  points = Squeeze (point_coords, axis0)
  cells = Div (points, side)
  lower = Clip (cells, none, most)
  whole_cells = Cast <to = 7> (lower)
  rows_first = Gather <axis = 1> (whole_cells, backwards)
  clicked = GatherND (colors, rows_first)
  clicked_4 = Reshape (clicked, flat)
  difference = Sub (colors, clicked_4)
  size = Abs (difference)
  distance = ReduceSum <keepdims = 0> (size, last)
  alike = Sub (near, distance)
  labels_1 = Squeeze (point_labels, axis0)
  labels = Reshape (labels_1, cube)
  is_inside = Equal (labels, one)
  is_outside = Equal (labels, none)
  is_low = Equal (labels, two)
  is_high = Equal (labels, three)
  insides = Where (is_inside, alike, far)
  clicked_in = ReduceMax <axes = [0], keepdims = 0> (insides)
  is_box_alone = Less (clicked_in, not_clicked)
  inside = Where (is_box_alone, five, clicked_in)
  outsides = Where (is_outside, alike, far)
  outside = ReduceMax <axes = [0], keepdims = 0> (outsides)
  ramp = Range (zero, sixtyfour, one)
  centres = Add (ramp, half)
  columns_1 = Unsqueeze (centres, axis0)
  columns = Expand (columns_1, grid)
  rows = Transpose <perm = [1, 0]> (columns)
  x_1 = Gather <axis = 1> (cells, first)
  y_1 = Gather <axis = 1> (cells, second)
  x = Reshape (x_1, cube)
  y = Reshape (y_1, cube)
  right_of = Sub (columns, x)
  below = Sub (rows, y)
  low = Min (right_of, below)
  high_1 = Max (right_of, below)
  high = Neg (high_1)
  upper = Where (is_high, high, ten)
  boxes = Where (is_low, low, upper)
  box = ReduceMin <axes = [0], keepdims = 0> (boxes)
  not_outside = Neg (outside)
  small = Min (inside, not_outside, box)
  small_4 = Unsqueeze (small, axis0)
  small_44 = Unsqueeze (small_4, axis0)
  found = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric",
    nearest_mode = "floor"> (small_44, , , whole)
  kept = Mul (mask_input, has_mask_input)
  part = Mul (kept, quarter)
  {masks} = Add (found, part)
  iou_predictions = Constant <value = float[1, 1] {{0.9}}> ()
  {more}
}}
"""


def write_sam(folder, *, reads_pixels=False):
    """Encoder and decoder as the export of SAM writes them, or one that normalises itself."""
    encoder = "encoder (float[1,3,1024,1024] image) => (float[1,3,64,64] image_embeddings)"
    body = (
        "image_embeddings = AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (image)"
    )
    constants = ""
    if reads_pixels:
        encoder = "encoder (float[H,W,3] input_image) => (float[1,3,64,64] image_embeddings)"
        constants = (
            "<float[3] mean = {123.675, 116.28, 103.53}, float[3] std = {58.395, 57.12, 57.375}"
            ", int64[4] whole = {1, 3, 1024, 1024}, int64[1] axis0 = {0}, "
            "int64[4] begin = {0, 0, 0, 0}>"
        )
        body = (
            """
          centred = Sub (input_image, mean)
          normal = Div (centred, std)
          planes = Transpose <perm = [2, 0, 1]> (normal)
          batch = Unsqueeze (planes, axis0)
          shape = Shape (batch)
          rest = Sub (whole, shape)
          pads = Concat <axis = 0> (begin, rest)
          image = Pad (batch, pads)
        """
            + body
        )
    text = f"{encoder} {constants} {{ {body} }}"
    _save(folder / "encoder.onnx", f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    decoder = _DECODER.format(
        features="image_embeddings",
        inputs=f"float[1,3,64,64] image_embeddings, {_SIGNATURE}, float[2] orig_im_size",
        outputs="float[1,1,A,B] masks, float[1,1] iou_predictions, "
        "float[1,1,256,256] low_res_masks",
        masks="low_res_masks",
        more="wanted = Cast <to = 7> (orig_im_size) "
        "shape = Concat <axis = 0> (axis1, axis1, wanted)"
        " masks = Resize (low_res_masks, , , shape)",
    )
    _save(folder / "decoder.onnx", decoder)
    return folder


def write_sam2(folder):
    """Encoder and decoder as samexporter writes them for SAM 2."""
    text = """<ir_version: 8, opset_import: ["" : 17]>
    encoder (float[1,3,1024,1024] image) => (float[1,3,256,256] high_res_feats_0,
      float[1,3,128,128] high_res_feats_1, float[1,3,64,64] image_embed) {
      high_res_feats_0 = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (image)
      high_res_feats_1 = AveragePool <kernel_shape = [8, 8], strides = [8, 8]> (image)
      image_embed = AveragePool <kernel_shape = [16, 16], strides = [16, 16]> (image)
    }"""
    _save(folder / "sam2.encoder.onnx", text)
    decoder = _DECODER.format(
        features="image_embed",
        inputs="float[1,3,64,64] image_embed, float[1,3,256,256] high_res_feats_0, "
        f"float[1,3,128,128] high_res_feats_1, {_SIGNATURE}",
        outputs="float[1,1,256,256] masks, float[1,1] iou_predictions",
        masks="masks",
        more="",
    )
    _save(folder / "sam2.decoder.onnx", decoder)
    return folder


def _save(file, text):
    file.parent.mkdir(exist_ok=True, parents=True)
    onnx.save(onnx.parser.parse_model(dedent(text)), file)
