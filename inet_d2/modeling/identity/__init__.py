"""The identity losses that a configuration can switch on, one in each file, and what they share."""

from inet_d2.modeling.identity.hep import HEPTerm
from inet_d2.modeling.identity.oim import OIMTerm
from inet_d2.modeling.identity.olp import OLPTerm
from inet_d2.modeling.identity.random_softmax import RandomSoftmaxTerm
from inet_d2.modeling.identity.softmax import SoftmaxTerm
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY, IdentityTerm, build_identity_terms
from inet_d2.modeling.identity.triplet import TripletTerm
from inet_d2.modeling.identity.verification import VerificationTerm

__all__ = [
    "IDENTITY_TERM_REGISTRY",
    "HEPTerm",
    "IdentityTerm",
    "OIMTerm",
    "OLPTerm",
    "RandomSoftmaxTerm",
    "SoftmaxTerm",
    "TripletTerm",
    "VerificationTerm",
    "build_identity_terms",
]
