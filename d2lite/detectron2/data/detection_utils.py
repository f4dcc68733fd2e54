"""Functions that data set mappers are made of."""

import numpy as np
import torch
from PIL import Image, ImageOps

from .._lite import unsupported
from ..structures import Boxes, BoxMode, Instances
from ..utils.file_io import PathManager
from . import transforms as T


class SizeMismatchError(ValueError):
    """An image has another size than its record says."""


def read_image(file_name: str, format: str | None = None) -> np.ndarray:
    """(H, W, C) uint8, upright by its EXIF tag. `format`: a mode of PIL or "BGR"; "L" gives one channel."""
    if format == "YUV-BT.601":
        unsupported("read_image(format='YUV-BT.601')")
    with PathManager.open(file_name, "rb") as f:
        image = ImageOps.exif_transpose(Image.open(f))
        if format is not None:
            image = image.convert("RGB" if format == "BGR" else format)
        image = np.asarray(image)
    if format == "L":
        return image[:, :, None]
    return image[:, :, ::-1] if format == "BGR" else image


def check_image_size(dataset_dict: dict, image: np.ndarray) -> None:
    """Compare "width" and "height" with the image, or set them."""
    expected = (dataset_dict.get("width"), dataset_dict.get("height"))
    found = (image.shape[1], image.shape[0])
    if None not in expected and expected != found:
        name = dataset_dict.get("file_name", "")
        raise SizeMismatchError(f"Mismatched image shape for {name}, got {found}, expect {expected} (w, h).")
    dataset_dict.setdefault("width", found[0])
    dataset_dict.setdefault("height", found[1])


def transform_instance_annotations(annotation: dict, transforms, image_size, *, keypoint_hflip_indices=None) -> dict:
    """Transform "bbox" in place to XYXY_ABS in the new image of (height, width), clipped to it."""
    if "segmentation" in annotation or "keypoints" in annotation:
        unsupported("transform_instance_annotations of masks and keypoints")
    box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYXY_ABS)
    box = T.TransformList([transforms]).apply_box(np.array([box]))[0].clip(min=0)
    annotation["bbox"] = np.minimum(box, [image_size[1], image_size[0]] * 2)
    annotation["bbox_mode"] = BoxMode.XYXY_ABS
    return annotation


def annotations_to_instances(annos: list[dict], image_size, mask_format: str = "polygon") -> Instances:
    """Instances with gt_boxes and gt_classes (int64)."""
    boxes = [BoxMode.convert(anno["bbox"], anno["bbox_mode"], BoxMode.XYXY_ABS) for anno in annos]
    classes = torch.tensor([int(anno["category_id"]) for anno in annos], dtype=torch.int64)
    return Instances(image_size, gt_boxes=Boxes(np.array(boxes, dtype=np.float64)), gt_classes=classes)


def filter_empty_instances(instances, by_box=True, by_mask=True, box_threshold=1e-5, return_mask=False):
    """Drop the instances whose box has a side of at most `box_threshold`."""
    keep = instances.gt_boxes.nonempty(threshold=box_threshold)
    return (instances[keep], keep) if return_mask else instances[keep]


def build_augmentation(cfg, is_train: bool) -> list[T.Augmentation]:
    """Resizing, and in training flipping, as INPUT says."""
    given = cfg.INPUT
    if not is_train:
        return [T.ResizeShortestEdge(given.MIN_SIZE_TEST, given.MAX_SIZE_TEST, "choice")]
    augs = [T.ResizeShortestEdge(given.MIN_SIZE_TRAIN, given.MAX_SIZE_TRAIN, given.MIN_SIZE_TRAIN_SAMPLING)]
    if given.RANDOM_FLIP != "none":
        flip = given.RANDOM_FLIP
        augs.append(T.RandomFlip(horizontal=flip == "horizontal", vertical=flip == "vertical"))
    return augs
