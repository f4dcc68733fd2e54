"""Readers of person-search data sets; importing this package registers the built-in ones."""

from inet_d2.data.datasets.builtin import (
    dataset_root,
    gallery_sizes_of,
    load_annotations,
    load_protocol,
    register_builtin_datasets,
)
from inet_d2.data.datasets.cuhk_sysu import load_cuhk_sysu, load_cuhk_sysu_protocol
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.datasets.prw import load_prw, load_prw_protocol

__all__ = [
    "SearchProtocol",
    "dataset_root",
    "gallery_sizes_of",
    "load_annotations",
    "load_cuhk_sysu",
    "load_cuhk_sysu_protocol",
    "load_protocol",
    "load_prw",
    "load_prw_protocol",
    "register_builtin_datasets",
]
