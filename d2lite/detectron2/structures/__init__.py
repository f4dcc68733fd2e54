from .._lite import module_getattr
from .boxes import Boxes, BoxMode, pairwise_ioa, pairwise_iou
from .image_list import ImageList
from .instances import Instances

__all__ = ["BoxMode", "Boxes", "ImageList", "Instances", "pairwise_ioa", "pairwise_iou"]
__getattr__ = module_getattr(__name__)
