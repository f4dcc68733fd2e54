# ruff: noqa: F401
from .._lite import module_getattr
from .coco_evaluation import COCOEvaluator
from .evaluator import DatasetEvaluator, DatasetEvaluators, inference_context, inference_on_dataset
from .testing import print_csv_format, verify_results

__getattr__ = module_getattr(__name__)
