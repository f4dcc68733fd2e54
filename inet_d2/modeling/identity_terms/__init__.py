"""The identity losses that a configuration can switch on, each a module with one interface."""

from inet_d2.modeling.identity_terms.classification import HEPTerm, RandomSoftmaxTerm, SoftmaxTerm
from inet_d2.modeling.identity_terms.oim import OIMTerm
from inet_d2.modeling.identity_terms.pairing import OLPTerm, TripletTerm, VerificationTerm
from inet_d2.modeling.identity_terms.term import IDENTITY_TERM_REGISTRY, IdentityTerm, build_identity_terms

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
