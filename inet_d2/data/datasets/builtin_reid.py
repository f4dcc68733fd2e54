"""Names of the built-in re-identification data sets in Detectron2's catalogs.

A split to search with has ``evaluator_type`` "person_reid" and ``gallery``, the name of the split that it is searched
in. One of your own takes part when it is registered like that, with records of crops (``crop_records.py``).
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets.builtin import datasets_folder
from inet_d2.data.datasets.crop_records import SPLITS
from inet_d2.data.datasets.cuhk03 import cuhk03_identities, load_cuhk03
from inet_d2.data.datasets.duke_reid import duke_reid_identities, load_duke_reid
from inet_d2.data.datasets.duke_video import load_duke_video
from inet_d2.data.datasets.market1501 import load_market1501, market1501_identities
from inet_d2.data.datasets.mars import load_mars
from inet_d2.data.datasets.msmt17 import load_msmt17, msmt17_identities
from inet_d2.data.datasets.tracklet_records import TRACKLETS

PERSON_REID: Final = "person_reid"

_Reader = Callable[[Path, str], list[Any]]

_CROPS: Final[dict[str, tuple[str, _Reader, _Reader]]] = {
    "market1501": ("Market-1501-v15.09.15", load_market1501, market1501_identities),
    "dukemtmc_reid": ("DukeMTMC-reID", load_duke_reid, duke_reid_identities),
    "cuhk03_detected": ("cuhk03-np/detected", load_cuhk03, cuhk03_identities),
    "cuhk03_labelled": ("cuhk03-np/labeled", load_cuhk03, cuhk03_identities),
    "msmt17": ("MSMT17_V1", load_msmt17, msmt17_identities),
}

_TRACKLETS: Final[dict[str, tuple[str, _Reader]]] = {
    "mars": ("MARS", load_mars),
    "dukemtmc_video": ("DukeMTMC-VideoReID", load_duke_video),
}


def reid_split_names(family: str) -> dict[str, str]:
    """Registered names by split, such as ``{"train": "market1501_train", ...}``; nothing for other data sets."""
    return {split: f"{family}_{split}" for split in SPLITS} if family in {**_CROPS, **_TRACKLETS} else {}


def _load(reader: _Reader, folder: str, split: str) -> list[Any]:
    root = datasets_folder() / folder
    if folder == "MSMT17_V1" and not root.is_dir() and (datasets_folder() / "MSMT17_V2").is_dir():
        root = datasets_folder() / "MSMT17_V2"
    return reader(root, split)


def _register(name: str, load: Callable[[], list[Any]], **more: Any) -> None:
    if name in DatasetCatalog.list():
        return
    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).set(thing_classes=["person"], evaluator_type=PERSON_REID, **more)
    if name.endswith("_query"):
        MetadataCatalog.get(name).set(gallery=name.replace("_query", "_gallery"))


def register_reid_datasets() -> None:
    """Register every split once; calling it again changes nothing."""
    for family, (folder, load, identities) in _CROPS.items():
        for split, name in reid_split_names(family).items():
            _register(
                name, partial(_load, load, folder, split), identity_loader=partial(_load, identities, folder, split)
            )
    for family, (folder, load) in _TRACKLETS.items():
        for split, name in reid_split_names(family).items():
            _register(
                name, partial(_load, load, folder, split), items=TRACKLETS, gallery_holds_queries=family == "mars"
            )


register_reid_datasets()
