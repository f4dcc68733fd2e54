import copy

import numpy as np
import torch

from .._lite import unsupported
from ..config import configurable
from . import detection_utils as utils
from . import transforms as T


class DatasetMapper:
    """From a record to a model input: "image" (C, H, W) uint8 and, in training, "instances"."""

    @configurable
    def __init__(self, is_train: bool, *, augmentations, image_format, **kwargs) -> None:
        given = [name for name, value in kwargs.items() if value and name != "instance_mask_format"]
        if given:
            unsupported(f"DatasetMapper with {', '.join(given)}")
        self.is_train, self.image_format = is_train, image_format
        self.augmentations = T.AugmentationList(augmentations)

    @classmethod
    def from_config(cls, cfg, is_train: bool = True):
        model = cfg.MODEL
        if (cfg.INPUT.CROP.ENABLED and is_train) or model.MASK_ON or model.KEYPOINT_ON or model.LOAD_PROPOSALS:
            unsupported("DatasetMapper with INPUT.CROP, masks, keypoints or loaded proposals")
        augmentations = utils.build_augmentation(cfg, is_train)
        return {"is_train": is_train, "augmentations": augmentations, "image_format": cfg.INPUT.FORMAT}

    def _transform_annotations(self, dataset_dict: dict, transforms, image_shape) -> None:
        annos = [
            utils.transform_instance_annotations(anno, transforms, image_shape)
            for anno in dataset_dict.pop("annotations")
            if anno.get("iscrowd", 0) == 0
        ]
        instances = utils.annotations_to_instances(annos, image_shape)
        dataset_dict["instances"] = utils.filter_empty_instances(instances)

    def __call__(self, dataset_dict: dict) -> dict:
        dataset_dict = copy.deepcopy(dataset_dict)
        image = utils.read_image(dataset_dict["file_name"], format=self.image_format)
        utils.check_image_size(dataset_dict, image)
        aug_input = T.AugInput(image)
        transforms = self.augmentations(aug_input)
        image = aug_input.image
        dataset_dict["image"] = torch.as_tensor(np.ascontiguousarray(image.transpose(2, 0, 1)))
        if not self.is_train:
            dataset_dict.pop("annotations", None)
        elif "annotations" in dataset_dict:
            self._transform_annotations(dataset_dict, transforms, image.shape[:2])
        return dataset_dict
