"""From a pair of records to the two inputs of the Siamese network."""

from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable

from inet_d2.data.person_mapper import PersonImageMapper


class PairedDatasetMapper:
    """Map an item of :class:`inet_d2.data.pairs.PairDataset` to two training inputs.

    The order inside the pair is random, and each image is flipped on its own. The mapper raises where it
    cannot read an image; it never returns None, because Detectron2 would put another pair in its place.

    Args:
        image_mapper: called once for each image of the pair.
    """

    @configurable
    def __init__(self, *, image_mapper: PersonImageMapper) -> None:
        self.image_mapper = image_mapper

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Build the image mapper from ``INPUT``.

        Args:
            cfg: configuration.
            is_train: False takes the test sizes and no flip.

        Returns:
            Arguments of ``__init__``.
        """
        return {"image_mapper": PersonImageMapper(cfg, is_train)}

    def __call__(self, pair: dict[str, Any]) -> list[dict[str, Any]]:
        """Map a pair.

        Args:
            pair: ``{"first": record, "second": record, "pid": int}``; it is not changed.

        Returns:
            Two model inputs, see :class:`PersonImageMapper`.
        """
        records = [pair["first"], pair["second"]]
        if np.random.random() < 0.5:  # noqa: NPY002  (the generator that Detectron2 seeds per worker)
            records.reverse()
        return [self.image_mapper(record) for record in records]
