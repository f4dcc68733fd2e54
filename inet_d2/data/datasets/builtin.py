"""Names of the built-in data sets in Detectron2's catalogs, and access to their search protocols by name.

Files of your own are registered in one line, see ``own.py``. A reader of your own takes part in person search when it
is registered in ``DatasetCatalog`` with records as in ``load_cuhk_sysu`` and its metadata has
``thing_classes=["person"]`` and, for a test split, ``protocol_loader``: a function from the gallery size (0 = full) to
a ``SearchProtocol``.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets.box_check import check_boxes
from inet_d2.data.datasets.cuhk_sysu import load_cuhk_sysu, load_cuhk_sysu_protocol
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.datasets.prw import load_prw, load_prw_protocol
from inet_d2.data.records import person_records

_Reader = Callable[..., list[dict[str, Any]]]
_ProtocolReader = Callable[[Path, Any], SearchProtocol]

_BUILTIN: Final[dict[str, tuple[str, _Reader, _ProtocolReader]]] = {
    "cuhk_sysu": ("CUHK-SYSU", load_cuhk_sysu, load_cuhk_sysu_protocol),
    "prw": ("PRW", load_prw, load_prw_protocol),
}


def datasets_folder() -> Path:
    """The folder that holds all built-in data sets; the only place that reads DETECTRON2_DATASETS, at every call."""
    return Path(os.environ.get("DETECTRON2_DATASETS", "datasets"))


def dataset_root(family: str) -> Path:
    """Find the folder of a built-in data set.

    Args:
        family: ``cuhk_sysu`` or ``prw``.

    Returns:
        Its folder, which need not exist.
    """
    return datasets_folder() / _BUILTIN[family][0]


def load_protocol(dataset_name: str, gallery_size: int | str = 0) -> SearchProtocol:
    """Load the search protocol of a registered test split.

    The queries are the same for every gallery size of a data set, so the test mapper may use any of them:
    ``load_protocol(name, cfg.TEST.SEARCH.GALLERY_SIZES[0]).queries_by_image()``.

    Args:
        dataset_name: a name in ``DatasetCatalog``.
        gallery_size: a published size, 0 for the full gallery, or the name of a subset; PRW has the full one
            only.

    Returns:
        The protocol.

    Raises:
        ValueError: the data set has no search protocol, or one that no figure can be computed of.
    """
    loader = MetadataCatalog.get(dataset_name).get("protocol_loader", None)
    if loader is None:
        known = [name for name in DatasetCatalog.list() if MetadataCatalog.get(name).get("protocol_loader", None)]
        raise ValueError(f"{dataset_name}: expected a data set with a search protocol: {', '.join(sorted(known))}")
    protocol = loader(gallery_size)
    protocol.check_scorable()
    return protocol


def gallery_sizes_of(dataset_name: str, gallery_sizes: Sequence[int | str]) -> tuple[int | str, ...]:
    """Keep the gallery sizes that a data set has.

    Args:
        dataset_name: a name in ``DatasetCatalog``.
        gallery_sizes: the sizes that were asked for; 0 = full.

    Returns:
        The same sizes without repeats, in order; (0,) for data sets such as PRW that only have the full
        gallery.
    """
    if MetadataCatalog.get(dataset_name).get("full_gallery_only", False):
        return (0,)
    return tuple(dict.fromkeys(gallery_sizes))


def load_records(dataset_name: str, *, with_sizes: bool = False) -> list[dict[str, Any]]:
    """Load the records of a registered split; the only way in which loaders do.

    Args:
        dataset_name: a name in ``DatasetCatalog``.
        with_sizes: refuse records without ``width`` and ``height``.

    Returns:
        Its records in the form of ``inet_d2.data.records.person_records``.

    Raises:
        ValueError: no such name, a record is none, or most boxes lie outside of their images.
    """
    _check_name(dataset_name)
    return _checked(DatasetCatalog.get(dataset_name), dataset_name, with_sizes=with_sizes)


def load_annotations(dataset_name: str) -> list[dict[str, Any]]:
    """Load the records of a registered split without opening its frames where the reader allows that.

    Args:
        dataset_name: a name in ``DatasetCatalog``.

    Returns:
        Its records as ``load_records`` gives them; built-in data sets leave out ``height`` and ``width``.

    Raises:
        ValueError: see :func:`load_records`.
    """
    _check_name(dataset_name)
    loader = MetadataCatalog.get(dataset_name).get("annotation_loader", None)
    return load_records(dataset_name) if loader is None else _checked(loader(), dataset_name)


def _checked(records: Sequence[Any], dataset_name: str, *, with_sizes: bool = False) -> list[dict[str, Any]]:
    found = person_records(records, dataset_name, with_sizes=with_sizes)
    check_boxes(found, dataset_name)
    return found


def _check_name(dataset_name: str) -> None:
    known = sorted(DatasetCatalog.list())
    if dataset_name not in known:
        raise ValueError(
            f"{dataset_name!r}: expected the name of a data set, one of {', '.join(known)}; one of your own is "
            "listed in a configuration (DATASETS.OWN, see docs/own_data.md)"
        )


def _load_split(family: str, split: str, image_sizes: bool = True) -> list[dict[str, Any]]:
    return _BUILTIN[family][1](dataset_root(family), split, image_sizes=image_sizes)


def _load_split_protocol(family: str, gallery_size: int | str) -> SearchProtocol:
    return _BUILTIN[family][2](dataset_root(family), gallery_size)


def register_builtin_datasets() -> None:
    """Register every built-in split once; calling it again changes nothing."""
    for family in _BUILTIN:
        for split in ("train", "test"):
            name = f"{family}_{split}"
            if name in DatasetCatalog.list():
                continue
            DatasetCatalog.register(name, partial(_load_split, family, split))
            metadata = MetadataCatalog.get(name)
            metadata.set(
                thing_classes=["person"],
                annotation_loader=partial(_load_split, family, split, image_sizes=False),
            )
            if split == "test":
                metadata.set(
                    protocol_loader=partial(_load_split_protocol, family),
                    full_gallery_only=family == "prw",
                )


register_builtin_datasets()
