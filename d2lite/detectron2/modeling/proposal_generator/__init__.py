from .rpn import PROPOSAL_GENERATOR_REGISTRY, RPN, RPN_HEAD_REGISTRY, build_proposal_generator, build_rpn_head

__all__ = ["PROPOSAL_GENERATOR_REGISTRY", "RPN", "RPN_HEAD_REGISTRY", "build_proposal_generator", "build_rpn_head"]
