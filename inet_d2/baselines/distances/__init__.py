"""Distances between descriptors, as inner products; importing this package registers them."""

from inet_d2.baselines.distances.cosine import Cosine
from inet_d2.baselines.distances.distance import DISTANCE_REGISTRY, Distance, build_distance
from inet_d2.baselines.distances.euclidean import Euclidean
from inet_d2.baselines.distances.kissme import KISSME
from inet_d2.baselines.distances.pca import PrincipalComponents, fit_pca
from inet_d2.baselines.distances.xqda import XQDA

__all__ = [
    "DISTANCE_REGISTRY",
    "KISSME",
    "XQDA",
    "Cosine",
    "Distance",
    "Euclidean",
    "PrincipalComponents",
    "build_distance",
    "fit_pca",
]
