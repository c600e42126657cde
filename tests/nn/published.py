"""Figures that papers and authors publish of the architectures: one row each.

`read_in` is where a figure was read; a row that has none is not checked against a source.
There are no rows of unet, unetplusplus, manet and pan (their papers' encoders are their own,
and the library publishes nothing), and of deeplabv2 and deeplabv3plus (figures of the same
network were not found).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

ENET = "Paszke et al. 2016 (arXiv:1606.02147), table 3; 2 operations a multiply-add"
SEGFORMER = "Xie et al. 2021 (arXiv:2105.15203), tables 1a and 2; multiply-adds at 512 x 512"
DDRNET = "Hong et al. 2021 (arXiv:2101.06085), table 6; a multiply-add is one operation"
TIRAMISU = "Jégou et al. 2016 (arXiv:1611.09326), table 3"
MASK2FORMER = "Cheng et al. 2022 (arXiv:2112.01527), ADE20K semantic, two digits"
MASKFORMER = "Cheng et al. 2021 (arXiv:2107.06278), table 1, two digits"
CONVNEXT = "Liu et al. 2022 (arXiv:2201.03545), table 7"

PAPERS_WITH_CODE = "paperswithcode.com, which has no FLOPs"
NOT_CHECKED = "not checked against a source"
TORCHVISION_AUX_MACS = 65 * 65 * (1024 * 256 * 9 + 256 * 21)
"""Of its auxiliary head at 520 x 520, which it computes in use too."""
MOBILENET_AUX_PARAMETERS = 40 * 10 * 9 + 2 * 10 + 10 * 21 + 21
MOBILENET_AUX_MACS = 65 * 65 * (40 * 10 * 9 + 10 * 21)
"""Of its auxiliary head on MobileNetV3, which is at stride 8 and not built here."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What `source` says of `arch`: 10^6 parameters, 10^9 multiply-adds at `size_HW`.

    `encoder` is by default the architecture's own; `without` names heads of training only.
    `counted`: a kernel has two axes or more, statistics are the running means and variances.
    """

    arch: str
    source: str
    read_in: str = NOT_CHECKED
    params_m: float | None = None
    gmac: float | None = None
    size_HW: tuple[int, int] = (512, 512)
    num_classes: int = 19
    encoder: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    counted: Literal["parameters", "kernels", "parameters and statistics"] = "parameters"
    depthwise_as_dense: bool = False
    tolerance_ratio: float = 0.01


ROWS = [
    Published(
        arch="segnet",
        source=ENET,
        read_in="the abstract, which has the ratios to ENet alone: 79 and 75",
        params_m=29.46,
        gmac=286.03 / 2,
        size_HW=(360, 640),
    ),
    # 3.45 G operations here; 3.93 where a transposed convolution counts by its output
    Published(
        arch="enet",
        source=ENET,
        read_in="the abstract, which has the ratios to SegNet alone: 79 and 75",
        params_m=0.37,
        gmac=3.83 / 2,
        size_HW=(360, 640),
        tolerance_ratio=0.1,
    ),
    Published(
        arch="segnet_basic",
        source="Badrinarayanan et al. 2015 (arXiv:1511.00561), table 1",
        num_classes=11,
        params_m=1.425,
    ),
    # Lasagne, in which the authors wrote it, counts running statistics as parameters: without
    # them it is 9.27, as the source's readers found too
    Published(
        arch="fcdensenet103",
        source=TIRAMISU,
        read_in="SimJeg/FC-DenseNet, issue 31",
        num_classes=11,
        params_m=9.4,
        counted="parameters and statistics",
    ),
    Published(
        arch="fcdensenet103",
        source=TIRAMISU + ", FC-DenseNet67",
        config={"down_layers": (5,) * 5, "bottleneck_layers": 5},
        num_classes=11,
        params_m=3.5,
        counted="parameters and statistics",
    ),
    # the table's widths and depths give 1.40, as the source's readers found too
    Published(
        arch="fcdensenet103",
        source=TIRAMISU + ", FC-DenseNet56",
        read_in="SimJeg/FC-DenseNet, issue 31",
        config={"down_layers": (4,) * 5, "bottleneck_layers": 4, "growth": 12},
        num_classes=11,
        params_m=1.5,
        counted="parameters and statistics",
        tolerance_ratio=0.08,
    ),
    Published(
        arch="fastscnn",
        source="Poudel et al. 2019 (arXiv:1902.04502), table 5; without the heads of training",
        read_in="kshitizrimal/Fast-SCNN, issue 5",
        config={"aux_weight": 0},
        params_m=1.11,
        counted="kernels",
    ),
    Published(
        arch="ddrnet23_slim",
        source=DDRNET + ", DDRNet-23-slim",
        params_m=5.7,
        gmac=36.3,
        size_HW=(1024, 2048),
    ),
    Published(
        arch="ddrnet23_slim",
        source=DDRNET + ", DDRNet-23",
        config={"channels": 64, "head_channels": 128},
        without=("aux_head",),
        params_m=20.1,
        gmac=143.1,
        size_HW=(1024, 2048),
    ),
    Published(
        arch="pidnet_s",
        source="Xu et al. 2022 (arXiv:2206.02066), table 6; without the heads of training",
        without=("aux_head", "border_head"),
        params_m=7.6,
        gmac=47.6,
        size_HW=(1024, 2048),
    ),
    # depthwise kernels count as dense ones there, and the head is 64 wide: so is the paper's
    # large network (twice the width, thrice the depth) 120.5 where 118.5 is published. Counted
    # as they are, no width gives 21.15: 15.4 at 64, 17.2 at 256, 24.6 at our 1024
    Published(
        arch="bisenetv2",
        source="Yu et al. 2020 (arXiv:2004.02147), table 3",
        read_in="MaybeShewill-CV/bisenetv2-tensorflow, issue 24",
        config={"head_channels": 64},
        depthwise_as_dense=True,
        gmac=21.15,
        size_HW=(512, 1024),
    ),
    # the product that makes scores of masks (4 at 150 classes) is counted here; the authors'
    # own tool counts 81.1 for their Swin-S too, of which the table says 79 (their issue 50)
    Published(
        arch="maskformer",
        source=MASKFORMER,
        encoder="resnet50",
        params_m=41,
        gmac=53,
        num_classes=150,
        tolerance_ratio=0.04,
    ),
    Published(
        arch="mask2former",
        source=MASK2FORMER,
        encoder="resnet50",
        params_m=44,
        gmac=71,
        num_classes=150,
        tolerance_ratio=0.02,
    ),
    *(
        Published(arch="segformer", source=SEGFORMER, encoder=encoder, num_classes=150, **found)
        for encoder, found in {
            "mit_b0": {"params_m": 3.75, "gmac": 8.4, "read_in": PAPERS_WITH_CODE},
            "mit_b1": {"params_m": 13.7, "gmac": 15.9},
            "mit_b2": {"params_m": 27.5, "gmac": 62.4},
            "mit_b3": {"params_m": 47.3, "gmac": 79.0},
            "mit_b4": {"params_m": 64.1, "gmac": 95.7, "read_in": PAPERS_WITH_CODE},
            "mit_b5": {"params_m": 84.7, "read_in": PAPERS_WITH_CODE},
        }.items()
    ),
    *(
        Published(
            arch="upernet",
            source=CONVNEXT,
            read_in="facebookresearch/ConvNeXt, semantic_segmentation/README.md",
            encoder=encoder,
            num_classes=150,
            params_m=params_m,
            gmac=gmac,
            size_HW=(512, 2048),
        )
        for encoder, params_m, gmac in (
            ("convnext_tiny", 60, 939),
            ("convnext_small", 82, 1027),
            ("convnext_base", 122, 1170),
        )
    ),
    # the deep stem of the source's encoder is 0.02 and 10; it counts normalisation too
    Published(
        arch="pspnet",
        source="mmsegmentation, the example of tools/get_flops.py in its documentation",
        read_in="a page that quotes it and does not name the network",
        encoder="resnet50",
        params_m=48.98,
        gmac=1429.68,
        size_HW=(2048, 1024),
    ),
    # the source counts normalisation and resizing too
    *(
        Published(
            arch="fpn",
            source="Wang et al. 2021 (arXiv:2106.13797), Semantic FPN on ADE20K",
            encoder=encoder,
            num_classes=150,
            params_m=params_m,
            gmac=gmac,
            tolerance_ratio=0.045,
        )
        for encoder, params_m, gmac in (
            ("resnet18", 15.5, 32.2),
            ("resnet50", 28.5, 45.6),
            ("resnet101", 47.5, 65.1),
        )
    ),
    # by their models/linknet.py 19.5 G, or 22.6 G where a transposed convolution counts by its
    # output
    Published(
        arch="linknet",
        source="Chaurasia and Culurciello 2017 (arXiv:1707.03718), table II: 21.2 G operations",
        read_in="the abstract",
        encoder="resnet18",
        num_classes=20,
        params_m=11.5,
        gmac=21.2 / 2,
        size_HW=(360, 640),
        tolerance_ratio=0.13,
    ),
    Published(
        arch="dpt",
        source="Ranftl et al. 2021 (arXiv:2103.13413), table 4, DPT-Large",
        encoder="vit_large_patch16_384",
        num_classes=150,
        params_m=343,
    ),
    # of both, torchvision counts the auxiliary head in use too
    *(
        Published(
            arch="fcn",
            source="torchvision, weights.meta of FCN",
            read_in="torchvision 0.29, where they are num_params and _ops",
            encoder=encoder,
            config={"dilated": True, "aux_weight": 0.5},
            num_classes=21,
            params_m=num_params / 1e6,
            gmac=gmac - TORCHVISION_AUX_MACS / 1e9,
            size_HW=(520, 520),
            tolerance_ratio=1e-5,
        )
        for encoder, num_params, gmac in (
            ("resnet50", 35_322_218, 152.717),
            ("resnet101", 54_314_346, 232.738),
        )
    ),
    *(
        Published(
            arch="deeplabv3",
            source="torchvision, weights.meta of DeepLabV3",
            read_in="torchvision 0.29, where they are num_params and _ops",
            encoder=encoder,
            config={"output_stride": 8},
            num_classes=21,
            params_m=num_params / 1e6,
            gmac=gmac - TORCHVISION_AUX_MACS / 1e9,
            size_HW=(520, 520),
            tolerance_ratio=1e-5,
        )
        for encoder, num_params, gmac in (
            ("resnet50", 42_004_074, 178.722),
            ("resnet101", 60_996_202, 258.743),
        )
    ),
    # a map of 520 px has 33 rows at stride 16 there, where 32.5 count here
    *(
        Published(
            arch=arch,
            source=f"torchvision, weights.meta of {name}",
            read_in="torchvision 0.29, where they are num_params and _ops",
            encoder="mobilenetv3_large_100",
            config=config,
            num_classes=21,
            params_m=num_params / 1e6,
            gmac=gmac,
            size_HW=(520, 520),
            tolerance_ratio=0.03,
        )
        for arch, name, config, num_params, gmac in (
            ("lraspp", "LRASPP_MobileNet_V3_Large", {}, 3_221_538, 2.086),
            (
                "deeplabv3",
                "DeepLabV3_MobileNet_V3_Large",
                {"aux_weight": 0},
                11_029_328 - MOBILENET_AUX_PARAMETERS,
                10.452 - MOBILENET_AUX_MACS / 1e9,
            ),
        )
    ),
    # less VGG16's 1000 scores, plus 21
    Published(
        arch="fcn",
        source="Long et al. 2015 (arXiv:1411.4038), table 1, FCN-VGG16: 134 M",
        read_in="torchvision 0.29, num_params of VGG16",
        encoder="vgg16",
        config={"stride": 32},
        num_classes=21,
        params_m=(138_357_544 - 4097 * 1000 + 4097 * 21) / 1e6,
        tolerance_ratio=1e-7,
    ),
    Published(
        arch="deeplabv1",
        source="Chen et al. 2015 (arXiv:1412.7062), table 2, DeepLab-CRF-LargeFOV",
        num_classes=21,
        params_m=20.5,
    ),
    # the product that makes scores of masks (11 here) is counted too
    Published(
        arch="eomt",
        source="Kerssies et al. 2025 (arXiv:2503.19108), table 1, COCO panoptic",
        encoder="vit_large_patch14_reg4_dinov2",
        config={"num_queries": 200, "query_blocks": 4},
        params_m=316,
        gmac=669,
        size_HW=(640, 640),
        num_classes=133,
        tolerance_ratio=0.02,
    ),
    # of the encoder alone; the linear head adds a few thousand
    *(
        Published(
            arch="dinov2",
            source="timm's card of the model",
            read_in=read_in,
            encoder=f"vit_{name}_dinov2",
            params_m=params_m,
        )
        for name, params_m, read_in in (
            ("small_patch14_reg4", 22.1, "its README on the Hugging Face Hub"),
            ("small_patch14", 22.1, NOT_CHECKED),
            ("base_patch14", 86.6, NOT_CHECKED),
            ("large_patch14", 304.4, NOT_CHECKED),
        )
    ),
    # 91 there with background; 53,120 scales and shifts of batch norms are frozen there, and
    # not counted
    Published(
        arch="mask_rcnn",
        source="torchvision, MaskRCNN_ResNet50_FPN_Weights",
        read_in="torchvision 0.29, where it is num_params",
        encoder="resnet50",
        num_classes=90,
        params_m=(44_401_393 + 53_120) / 1e6,
        tolerance_ratio=1e-7,
    ),
    # of the encoder alone, without biases that are zero in the published weights; the linear
    # head adds a few thousand. The authors round
    *(
        Published(
            arch="dinov3",
            source="the authors' list of ViT models",
            read_in="README of facebookresearch/dinov3",
            encoder=f"vit_{size}_patch16_dinov3",
            params_m=params_m,
            tolerance_ratio=tolerance_ratio,
        )
        for size, params_m, tolerance_ratio in (
            ("small", 21, 0.03),
            ("small_plus", 29, 0.015),
            ("base", 86, 0.01),
            ("large", 300, 0.015),
            ("huge_plus", 840, 0.001),
            ("7b", 6716, 0.001),
        )
    ),
]
