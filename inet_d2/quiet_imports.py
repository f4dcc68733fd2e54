"""Imports Detectron2's models without the warning that fvcore causes.

fvcore scripts functions when it is imported, and torch 2.12 and newer call `torch.jit.script` deprecated: a
FutureWarning ahead of whatever the user asked for, who can do nothing about it. Only these imports keep it back.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated", category=FutureWarning)
    import detectron2.modeling  # noqa: F401
