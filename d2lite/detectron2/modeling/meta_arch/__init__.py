from .rcnn import META_ARCH_REGISTRY, GeneralizedRCNN, build_model

__all__ = ["META_ARCH_REGISTRY", "GeneralizedRCNN", "build_model"]
