"""Person search with Detectron2: I-Net, its data, its evaluation and its search tool.

Importing the package registers the models and the data sets in Detectron2's registries; ``add_inet_config`` adds the
configuration keys.
"""

from inet_d2 import quiet_imports  # isort: skip  (before anything else imports Detectron2's models)
from inet_d2 import modeling
from inet_d2.config import add_inet_config
from inet_d2.data.datasets import builtin

__version__ = "0.1.0"
__all__ = ["add_inet_config", "builtin", "modeling", "quiet_imports"]
