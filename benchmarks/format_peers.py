"""What pycocotools and datumaro need for the work of formats.py, each as its users would do it.

    python benchmarks/format_peers.py pycocotools-masks ROOT OUT

Prints the CPU seconds without imports and start. pycocotools: a mask of full size for each
annotation, the largest first, painted and written by OpenCV; back, one annotation for each
connected region of a class, encoded at full size. datumaro: import, polygons to masks, export,
without images.
"""

import json
import sys
import time
from pathlib import Path


def pycocotools_masks(root: Path, out: Path) -> None:
    """annotations/instances_train.json -> class maps, the smaller region on top."""
    import cv2
    import numpy as np
    from pycocotools import mask as masks
    from pycocotools.coco import COCO

    coco = COCO(root / "annotations/instances_train.json")
    out.mkdir()
    for image in coco.imgs.values():
        labels_HW = np.zeros((image["height"], image["width"]), np.uint8)
        runs = [(coco.annToRLE(a), a["category_id"]) for a in coco.imgToAnns[image["id"]]]
        for mask, category in sorted(runs, key=lambda pair: -int(masks.area(pair[0]))):
            labels_HW[masks.decode(mask) > 0] = category
        cv2.imwrite(str(out / image["file_name"]), labels_HW)


def pycocotools_back(root: Path, out: Path) -> None:
    """Class maps -> one file of connected regions as compressed run lengths."""
    import cv2
    import numpy as np
    from pycocotools import mask as masks

    images, annotations = [], []
    for number, path in enumerate(sorted((root / "masks").rglob("*.png")), start=1):
        labels_HW = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        height, width = labels_HW.shape
        image = {"id": number, "file_name": path.name, "height": height, "width": width}
        images.append(image)
        for category in np.unique(labels_HW[labels_HW > 0]).tolist():
            num, regions_HW = cv2.connectedComponents((labels_HW == category).astype(np.uint8))
            for region in range(1, num):
                inside_HW = np.asfortranarray(regions_HW == region, np.uint8)
                runs = masks.encode(inside_HW)
                annotation = {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "iscrowd": 0,
                    "area": int(masks.area(runs)),
                    "bbox": masks.toBbox(runs).tolist(),
                    "segmentation": {
                        "size": runs["size"],
                        "counts": runs["counts"].decode("ascii"),
                    },
                }
                annotations.append(annotation)
    ids = sorted({a["category_id"] for a in annotations})
    categories = [{"id": number, "name": f"c{number}"} for number in ids]
    document = {"images": images, "annotations": annotations, "categories": categories}
    out.mkdir()
    (out / "instances.json").write_text(json.dumps(document))


def datumaro_masks(root: Path, out: Path) -> None:
    """annotations/instances_train.json -> colours as CamVid has them, its quickest masks."""
    from datumaro import Dataset

    dataset = Dataset.import_from(str(root), "coco_instances")
    dataset.transform("polygons_to_masks")
    dataset.export(str(out), "camvid", save_media=False)


def datumaro_back(root: Path, out: Path) -> None:
    """Class maps in colours, as it wrote them -> one file of masks as run lengths."""
    from datumaro import Dataset

    dataset = Dataset.import_from(str(root), "camvid")
    dataset.export(str(out), "coco_instances", save_media=False, segmentation_mode="mask")


WAYS = {
    "pycocotools-masks": pycocotools_masks,
    "pycocotools-back": pycocotools_back,
    "datumaro-masks": datumaro_masks,
    "datumaro-back": datumaro_back,
}
IMPORTS = {"pycocotools": ("cv2", "pycocotools.coco"), "datumaro": ("datumaro",)}


def main() -> None:
    """Do one, and say how long it took."""
    name, root, out = sys.argv[1:4]
    for module in IMPORTS[name.partition("-")[0]]:
        __import__(module)
    started_s = time.process_time()
    WAYS[name](Path(root), Path(out))
    print(time.process_time() - started_s)


if __name__ == "__main__":
    main()
