"""Our mappers on written frames: every pixel and every box."""

import numpy as np
import torch
from detectron2.data import detection_utils
from detectron2.data import transforms as T
from detectron2.structures import BoxMode
from PIL import Image

from experiments import experiment
from inet_d2.data import PairedDatasetMapper, PersonCropMapper, PersonImageMapper, SearchDatasetMapper
from inet_d2.engine import load_config

ORIENTATION = 0x0112


def write_frame(folder, name, size, *, mode="RGB", orientation=None):
    """A frame of noise under soft shapes, and its record."""
    generator = np.random.default_rng(sum(name.encode()))
    height, width = size
    y, x = np.mgrid[:height, :width]
    soft = 128 + 60 * np.sin(x / 9)[..., None] + 60 * np.cos(y / 7)[..., None] * np.array([1, -1, 0.5])
    pixels = np.clip(soft + generator.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    path = folder / name
    image.save(path, exif=exif)
    if orientation and orientation >= 5:
        height, width = width, height
    left, top = generator.integers(0, width // 3), generator.integers(0, height // 3)
    boxes = [[left, top, left + width // 3, top + height // 2], [0.25, 1.5, width - 3.75, height - 0.5], [-5, -9, 9, 9]]
    people = [
        {"bbox": list(map(kind, box)), "bbox_mode": mode, "category_id": 0, "iscrowd": crowd, "person_id": pid}
        for box, kind, mode, crowd, pid in (
            (boxes[0], int, BoxMode.XYXY_ABS, 0, 4),
            (boxes[1], float, BoxMode.XYXY_ABS, 0, -1),
            (boxes[2], float, BoxMode.XYXY_ABS, 0, 6),
            (boxes[0], int, BoxMode.XYWH_ABS, 1, 2),
        )
    ]
    record = {"file_name": str(path), "image_id": name, "height": height, "width": width}
    return {**record, "annotations": people}


def frames(folder, number=50):
    generator = np.random.default_rng(0)
    sizes = generator.integers(40, 260, (number, 2))
    return [write_frame(folder, f"f{index}.png", tuple(map(int, size))) for index, size in enumerate(sizes)]


def shown(model_input):
    """A model input without the path of its frame."""
    return {key: value for key, value in model_input.items() if key != "file_name"}


def settings(*options):
    return load_config("configs/CUHK-SYSU/inet_vgg16.yaml", list(options))


TRAIN_SIZES = ["INPUT.MIN_SIZE_TRAIN", "(90, 120, 150)", "INPUT.MAX_SIZE_TRAIN", "200"]


@experiment
def pair_mapper(folder):
    records = frames(folder)
    mapper = PairedDatasetMapper(settings(*TRAIN_SIZES), is_train=True)
    pairs = [{"first": a, "second": b, "pid": 4} for a, b in zip(records[::2], records[1::2], strict=True)]
    return [[shown(x) for x in mapper(pair)] for pair in pairs]


@experiment
def image_mapper(folder):
    result = {}
    for style in ("choice", "range"):
        for flip in ("horizontal", "vertical", "none"):
            sizes = ["INPUT.MIN_SIZE_TRAIN", "(60, 140)", "INPUT.MAX_SIZE_TRAIN", "170"]
            options = ["INPUT.MIN_SIZE_TRAIN_SAMPLING", style, "INPUT.RANDOM_FLIP", flip, "INPUT.FORMAT", "RGB"]
            mapper = PersonImageMapper(settings(*sizes, *options), is_train=True)
            result[f"{style} {flip}"] = [shown(mapper(record)) for record in frames(folder, 6)]
    return result


@experiment
def search_mapper(folder):
    result = []
    for sizes in (("100", "180"), ("0", "0"), ("300", "310")):
        options = ["INPUT.MIN_SIZE_TEST", sizes[0], "INPUT.MAX_SIZE_TEST", sizes[1], "TEST.SEARCH.USE_GT_BOXES", "True"]
        mapper = SearchDatasetMapper(settings(*options))
        queries = np.array([[3.5, 4, 30, 35.25], [-4, 0, 500, 30]])
        result += [shown(mapper({**record, "query_boxes": queries})) for record in frames(folder, 12)]
    return result


@experiment
def crop_mapper(folder):
    cfg = load_config("configs/quick_schedules/crops_instant_test.yaml")
    mapper = PersonCropMapper(cfg, is_train=True)
    items = []
    for record in frames(folder, 4):
        sightings = [{**record, "bbox": person["bbox"]} for person in record.pop("annotations")[:2]]
        items.append({"pid": 4, "appearances": sightings})
    return [[shown(x) for x in mapper(item)] for item in items]


@experiment
def unusual_files(folder):
    """Turned by their camera, grey, with transparency, with a palette."""
    mapper = SearchDatasetMapper(settings("INPUT.MIN_SIZE_TEST", "80", "INPUT.MAX_SIZE_TEST", "120"))
    records = [write_frame(folder, f"turned{o}.jpg", (60, 90), orientation=o) for o in range(1, 9)]
    records += [write_frame(folder, f"mode{mode}.png", (60, 90), mode=mode) for mode in ("L", "RGBA", "P", "1")]
    return [shown(mapper(record)) for record in records]


@experiment
def wrong_size_is_refused(folder):
    record = {**write_frame(folder, "wrong.png", (50, 60)), "height": 51}
    try:
        SearchDatasetMapper(settings())(record)
    except ValueError as error:
        return type(error).__name__
    return "accepted"


@experiment
def resizing(folder):
    """Sizes of the published rule, pixels and points, of 200 images at random."""
    generator = np.random.default_rng(5)
    shapes, points = [], []
    for height, width, short, longest in generator.integers(20, 2000, (200, 4)).tolist():
        shapes.append(list(T.ResizeShortestEdge.get_output_shape(height, width, short, longest)))
        resize = T.ResizeTransform(height, width, *shapes[-1])
        points.append(resize.apply_coords(generator.random((5, 2)) * [width, height]))
    image = generator.integers(0, 256, (37, 53, 3), dtype=np.uint8)
    resized = [T.ResizeTransform(37, 53, h, w).apply_image(image) for h, w in ((37, 53), (20, 31), (74, 110), (1, 1))]
    flipped = T.AugInput(image)
    transforms = T.AugmentationList([T.RandomFlip(1.0), T.ResizeShortestEdge((50, 60), 90, "range")])(flipped)
    boxes = transforms.apply_box(np.array([[1.0, 2, 30, 20]]))
    return [shapes, points, [np.ascontiguousarray(x) for x in resized], flipped.image.copy(), boxes]


@experiment
def read_images(folder):
    result = []
    for kind in ("RGB", "BGR"):
        record = write_frame(folder, "read.png", (30, 41), mode="RGBA")
        result.append(torch.from_numpy(detection_utils.read_image(record["file_name"], format=kind).copy()))
    return result
