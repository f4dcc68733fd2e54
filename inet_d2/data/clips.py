"""Clips of tracklets: several frames of each of several tracklets of a person for training, all frames for testing."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from inet_d2.data.crops import draw_appearances
from inet_d2.image_file import check_image_format, read_image

Record = dict[str, Any]


class TrackletDataset(torch.utils.data.Dataset):
    """One item per identity: ``{"pid": int, "tracklets": [record, ...]}``, sorted by pid.

    Args:
        records: tracklets of known identity, see ``tracklet_records.py``.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        tracklets: dict[int, list[Record]] = {}
        for record in records:
            tracklets.setdefault(record["person_id"], []).append(record)
        self._items = [{"pid": pid, "tracklets": tracklets[pid]} for pid in sorted(tracklets)]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._items[index]


class ClipMapper:
    """Map an item of :class:`TrackletDataset` to clips of that person, or a tracklet to all of its frames.

    Random numbers come from numpy's global generator, as in the other mappers.

    Args:
        size: (h, w) in pixels that crops are resized to.
        num_frames: N, frames of a clip.
        num_clips: clips per item.
        test_frames: frames of a tracklet that are looked at in testing, evenly spread over it; 0 for all.
        flip_prob: chance of a mirrored clip, in [0, 1].
        image_format: value of ``INPUT.FORMAT``.

    Raises:
        ValueError: a setting is out of its range.
    """

    @configurable
    def __init__(
        self,
        *,
        size: tuple[int, int],
        num_frames: int,
        num_clips: int,
        flip_prob: float,
        image_format: str,
        test_frames: int = 0,
    ) -> None:
        if min(*size, num_frames, num_clips) < 1 or test_frames < 0:
            raise ValueError(
                "INPUT.CLIP: expected SIZE, FRAMES and PER_IDENTITY of at least 1 and TEST_FRAMES of at least 0, found "
                f"{tuple(size)}, {num_frames}, {num_clips} and {test_frames}"
            )
        check_image_format(image_format)
        self.size = (int(size[0]), int(size[1]))
        self.num_frames, self.num_clips = num_frames, num_clips
        self.flip_prob, self.image_format, self.test_frames = flip_prob, image_format, test_frames

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read ``INPUT.{FORMAT, RANDOM_FLIP, CLIP}``."""
        clip = cfg.INPUT.CLIP
        return {
            "size": clip.SIZE,
            "num_frames": clip.FRAMES,
            "num_clips": clip.PER_IDENTITY,
            "flip_prob": 0.5 if cfg.INPUT.RANDOM_FLIP == "horizontal" else 0.0,
            "image_format": cfg.INPUT.FORMAT,
            "test_frames": clip.TEST_FRAMES,
        }

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """Draw clips: of different tracklets, and in each of different frames, as far as there are enough.

        Args:
            item: see :class:`TrackletDataset`.

        Returns:
            ``num_clips`` model inputs: ``frames`` (N, 3, h, w) uint8 in order of time, ``pid``, ``image_id`` and
            ``camera_id`` of the tracklet.

        Raises:
            FileNotFoundError: an image is missing.
            ValueError: an image cannot be decoded.
        """
        chosen = draw_appearances(len(item["tracklets"]), self.num_clips)
        return [self._clip(item["tracklets"][i], item["pid"]) for i in chosen]

    def whole(self, record: Record) -> dict[str, Any]:
        """The frames of a tracklet that testing looks at.

        Args:
            record: it is not changed.

        Returns:
            Its entries without ``file_names``, with ``frames`` (T, 3, h, w) uint8; T is at most ``test_frames``, if
            that is not 0.

        Raises:
            FileNotFoundError, ValueError: as above.
        """
        mapped = {key: value for key, value in record.items() if key != "file_names"}
        paths = record["file_names"]
        if 0 < self.test_frames < len(paths):
            # The middle of each of so many equal parts.
            chosen = (2 * np.arange(self.test_frames) + 1) * len(paths) // (2 * self.test_frames)
            paths = [paths[i] for i in chosen]
        return {**mapped, "frames": self._read(paths, is_flipped=False)}

    def _clip(self, record: Record, pid: int) -> dict[str, Any]:
        paths = record["file_names"]
        chosen = np.sort(draw_appearances(len(paths), self.num_frames))
        is_flipped = bool(np.random.random() < self.flip_prob)  # noqa: NPY002
        frames = self._read([paths[i] for i in chosen], is_flipped=is_flipped)
        return {"frames": frames, "pid": pid, "image_id": record["image_id"], "camera_id": record["camera_id"]}

    def _read(self, paths: Sequence[str], *, is_flipped: bool) -> torch.Tensor:
        frames = np.empty((len(paths), *self.size, 3), dtype=np.uint8)
        for frame, path in zip(frames, paths, strict=True):
            crop = np.ascontiguousarray(read_image(path, self.image_format))
            is_shrinking = crop.shape[0] >= self.size[0] and crop.shape[1] >= self.size[1]
            cv2.resize(crop, self.size[::-1], frame, 0, 0, cv2.INTER_AREA if is_shrinking else cv2.INTER_LINEAR)
        frames = frames[:, :, ::-1] if is_flipped else frames
        return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
