from ..._lite import module_getattr
from .distributed_sampler import InferenceSampler, TrainingSampler

__all__ = ["InferenceSampler", "TrainingSampler"]
__getattr__ = module_getattr(__name__)
