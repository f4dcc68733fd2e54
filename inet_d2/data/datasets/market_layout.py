"""Crops in Market-1501's three folders, with person and camera in the name of each file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from inet_d2.data.datasets.crop_records import CropTable, crop_records, identities_of

FOLDERS: Final = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
_SUFFIXES: Final = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class MarketLayout:
    """A data set in this layout.

    Attributes:
        dataset: its name, for errors.
        pattern: of the files' names, with the groups ``person`` and ``camera``.
        remedy: what to do when a folder does not fit; ends the errors.
        identity: from the first group to the person's id.
        junk: id of crops that show too little of a person to count; they are left out.
        distractor: see :class:`CropTable`.
    """

    dataset: str
    pattern: str
    remedy: str
    identity: Callable[[str], Any] = int
    junk: int | None = None
    distractor: int | None = None

    def records(self, root: str | Path, split: str) -> list[dict[str, Any]]:
        """Read one split as records.

        Args:
            root: the folder that holds ``FOLDERS``.
            split: ``train``, ``query`` or ``gallery``.

        Returns:
            One record per crop, by file name; see :func:`crop_records`. Distractors are ``UNLABELLED``; people who
            are in the gallery alone keep identities of their own.

        Raises:
            FileNotFoundError: a folder is missing.
            ValueError: another split; a folder holds no image, or one with another name; a file is no image.
        """
        return crop_records(self.dataset, Path(root), partial(self._read, Path(root)), split)

    def identities(self, root: str | Path, split: str) -> list[Any]:
        """The data set's own ids by pid; arguments and errors as :meth:`records`."""
        return identities_of(partial(self._read, Path(root)), split)

    def _read(self, root: Path, split: str) -> CropTable:
        folder = root / FOLDERS[split]
        if not folder.is_dir():
            raise FileNotFoundError(f"{self.dataset}: the folder {folder} does not exist; {self.remedy}")
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        if not paths:
            raise ValueError(f"{self.dataset}: {folder}: expected images, found none; {self.remedy}")
        found = []
        for path in paths:
            match = re.match(self.pattern, path.name)
            if match is None:
                raise ValueError(
                    f"{self.dataset}: {folder}: expected names that match {self.pattern}, found {path.name}; "
                    f"{self.remedy}"
                )
            found.append((path, self.identity(match["person"]), int(match["camera"])))
        kept = [row for row in found if row[1] != self.junk]
        ids, cameras = np.array([row[1] for row in kept]), np.array([row[2] for row in kept])
        return CropTable([row[0] for row in kept], ids, cameras, self.distractor)
