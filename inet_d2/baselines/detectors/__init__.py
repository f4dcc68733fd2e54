"""Detectors of people from before region networks; importing this package registers them."""

from inet_d2.baselines.detectors.acf import ACF
from inet_d2.baselines.detectors.ccf import CCF
from inet_d2.baselines.detectors.detector import PERSON_DETECTOR_REGISTRY, PersonDetector, build_detector

__all__ = ["ACF", "CCF", "PERSON_DETECTOR_REGISTRY", "PersonDetector", "build_detector"]
