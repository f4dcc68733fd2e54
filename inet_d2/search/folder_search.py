"""Search a person in image files: embed the query, index a list of files.

The model and the mapper are arguments, so any model with the outputs of :class:`inet_d2.modeling.INet`
serves.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from inet_d2.data.person_mapper import are_nonempty
from inet_d2.search.gallery_index import GalleryIndex

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

Mapper = Callable[[dict[str, Any]], dict[str, Any]]


def list_images(folder: Path) -> list[Path]:
    """List the images of a folder, without its sub-folders.

    Args:
        folder: a folder.

    Returns:
        Paths with one of ``IMAGE_SUFFIXES``, sorted by name.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"gallery folder {folder} does not exist; name a folder of images")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not images:
        suffixes = " ".join(IMAGE_SUFFIXES)
        raise ValueError(f"gallery folder {folder} holds no image; name a folder with files {suffixes}")
    return images


@torch.no_grad()
def embed_query(model: nn.Module, mapper: Mapper, image: Path, box: Sequence[float]) -> np.ndarray:
    """Embed one person.

    Args:
        model: in evaluation mode.
        mapper: a :class:`inet_d2.data.search_mapper.SearchDatasetMapper`.
        image: the image that shows the person.
        box: 4 numbers XYXY in pixels of the image; what lies outside the image is cut off.

    Returns:
        (D,) float32.

    Raises:
        FileNotFoundError: the image is missing.
        ValueError: the image cannot be decoded, or the box has no area inside it.
    """
    record = {
        "file_name": str(image),
        "image_id": image.name,
        "query_boxes": np.array([box], dtype=np.float64),
    }
    model_input = mapper(record)
    is_upright = box[0] < box[2] and box[1] < box[3]  # the mapper would swap the corners
    if not (is_upright and are_nonempty(model_input["query_boxes"].numpy()).all()):
        raise ValueError(
            f"query box {' '.join(f'{x:g}' for x in box)}: expected x1 < x2 and y1 < y2 inside {image} "
            f"({model_input['width']} x {model_input['height']} pixels)"
        )
    return model([model_input])[0]["query_embeddings"][0].float().cpu().numpy()


@torch.no_grad()
def index_images(
    model: nn.Module, mapper: Mapper, images: Iterable[Path], *, source: str = ""
) -> tuple[GalleryIndex, list[Path]]:
    """Detect and embed the people of images, one image at a time.

    Args:
        model: in evaluation mode.
        mapper: a :class:`inet_d2.data.search_mapper.SearchDatasetMapper`.
        images: files with distinct names; wrap them in a progress bar if you like.
        source: see :class:`GalleryIndex`.

    Returns:
        The index, whose image names are the file names, and the images that could not be read and are not in
        it; each of these is also logged as a warning.
    """
    index = GalleryIndex(source)
    skipped = []
    for image in images:
        try:
            model_input = mapper({"file_name": str(image), "image_id": image.name})
        except (OSError, ValueError) as error:
            logger.warning("left out: %s", error)
            skipped.append(image)
            continue
        people = model([model_input])[0]["instances"].to("cpu")
        index.add(
            image.name,
            people.pred_boxes.tensor.numpy(),
            people.scores.numpy(),
            people.pred_embeddings.float().numpy(),
        )
    return index, skipped
