from . import transforms
from .build import build_detection_test_loader, build_detection_train_loader
from .catalog import DatasetCatalog, Metadata, MetadataCatalog
from .common import DatasetFromList, MapDataset, ToIterableDataset

__all__ = ["DatasetCatalog", "DatasetFromList", "MapDataset", "Metadata", "MetadataCatalog", "ToIterableDataset"]
__all__ += ["build_detection_test_loader", "build_detection_train_loader", "transforms"]
