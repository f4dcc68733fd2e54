"""Records to model inputs: pairs and crops for training, test images with query boxes for search."""

from inet_d2.data.build import (
    TRAIN_LOADER_REGISTRY,
    build_crop_train_loader,
    build_pair_train_loader,
    build_search_test_loader,
    build_train_loader,
    register_train_loader,
)
from inet_d2.data.clip_loader import build_clip_train_loader
from inet_d2.data.clips import ClipMapper, TrackletDataset
from inet_d2.data.crops import CropDataset, PersonCropMapper
from inet_d2.data.paired_mapper import PairedDatasetMapper
from inet_d2.data.pairs import PairDataset, same_identity_pairs
from inet_d2.data.person_mapper import PersonImageMapper
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.data.training_records import with_counted_pids

__all__ = [
    "TRAIN_LOADER_REGISTRY",
    "ClipMapper",
    "CropDataset",
    "PairDataset",
    "PairedDatasetMapper",
    "PersonCropMapper",
    "PersonImageMapper",
    "SearchDatasetMapper",
    "TrackletDataset",
    "build_clip_train_loader",
    "build_crop_train_loader",
    "build_pair_train_loader",
    "build_search_test_loader",
    "build_train_loader",
    "register_train_loader",
    "same_identity_pairs",
    "with_counted_pids",
]
