"""Readers of person-search data sets; importing this package registers the built-in ones."""

from inet_d2.data.datasets.builtin import (
    dataset_root,
    gallery_sizes_of,
    load_annotations,
    load_protocol,
    load_records,
    register_builtin_datasets,
)
from inet_d2.data.datasets.builtin_reid import register_reid_datasets, reid_split_names
from inet_d2.data.datasets.cuhk03 import load_cuhk03
from inet_d2.data.datasets.cuhk_sysu import load_cuhk_sysu, load_cuhk_sysu_protocol
from inet_d2.data.datasets.duke_reid import load_duke_reid
from inet_d2.data.datasets.duke_video import load_duke_video
from inet_d2.data.datasets.made_protocol import ProtocolRule, make_protocol
from inet_d2.data.datasets.market1501 import load_market1501
from inet_d2.data.datasets.mars import load_mars
from inet_d2.data.datasets.mot import MotRule, load_mot
from inet_d2.data.datasets.msmt17 import load_msmt17
from inet_d2.data.datasets.own import register_mot, register_own_datasets, register_person_json
from inet_d2.data.datasets.person_json import load_person_json
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.datasets.prw import load_prw, load_prw_protocol

__all__ = [
    "MotRule",
    "ProtocolRule",
    "SearchProtocol",
    "dataset_root",
    "gallery_sizes_of",
    "load_annotations",
    "load_cuhk03",
    "load_cuhk_sysu",
    "load_cuhk_sysu_protocol",
    "load_duke_reid",
    "load_duke_video",
    "load_market1501",
    "load_mars",
    "load_mot",
    "load_msmt17",
    "load_person_json",
    "load_protocol",
    "load_prw",
    "load_prw_protocol",
    "load_records",
    "make_protocol",
    "register_builtin_datasets",
    "register_mot",
    "register_own_datasets",
    "register_person_json",
    "register_reid_datasets",
    "reid_split_names",
]
