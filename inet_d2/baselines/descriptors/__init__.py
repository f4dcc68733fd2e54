"""Hand-made descriptors of person crops; importing this package registers them."""

from inet_d2.baselines.descriptors.bow import BagOfWords
from inet_d2.baselines.descriptors.descriptor import DESCRIPTOR_REGISTRY, Descriptor, build_descriptor
from inet_d2.baselines.descriptors.dsift import DenseColourSift
from inet_d2.baselines.descriptors.lomo import LOMO

__all__ = ["DESCRIPTOR_REGISTRY", "LOMO", "BagOfWords", "DenseColourSift", "Descriptor", "build_descriptor"]
