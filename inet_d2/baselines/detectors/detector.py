"""Detectors of people by boosted trees in a sliding window: training in stages, detection, and the registry.

A detector is what its channels are: :class:`~inet_d2.baselines.detectors.acf.ACF` has colours and gradients,
:class:`~inet_d2.baselines.detectors.ccf.CCF` the maps of a convolutional network.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.config import CfgNode
from fvcore.common.registry import Registry
from tqdm import tqdm

from inet_d2.baselines.detectors.boosting import BoostedTrees, BoostingPlan, train_trees
from inet_d2.baselines.detectors.sliding_window import Window, detect, pad_window, pyramid_scales, rounded_size, slide
from inet_d2.boxes import paired_iou
from inet_d2.data.frame_reader import read_frame
from inet_d2.data.records import annotation_boxes, people_of
from inet_d2.files import written_aside
from inet_d2.npz_file import open_npz

PERSON_DETECTOR_REGISTRY = Registry("PERSON_DETECTOR")
PERSON_DETECTOR_REGISTRY.__doc__ = """
Detectors of people: classes derived from :class:`PersonDetector`, used where ``DETECTOR.NAME`` is their name.
"""

STOP_BELOW = -1.0  # of the running sum; the rest of the cascade is then not looked at
_CONTEXT = 2  # cells around a training window, so that its channels are those that it has in a frame
_CALIBRATION_FRAMES = 60
_SCORE_SPREAD = 10.0
_logger = logging.getLogger(__name__)


class PersonDetector:
    """Boosted trees over the channels of a sliding window.

    Args:
        plan: of the training.
        per_octave: scales in a factor of two.
        octaves_up: enlarge images by up to 2 to the power of this, for people lower than the window's.
        window: its size.
        seed: of all that is drawn.
        progress: show bars.

    Attributes:
        trees: the cascade; None before :meth:`fit`.
        offset: score that becomes 0.5.
    """

    def __init__(
        self,
        *,
        plan: BoostingPlan,
        per_octave: int = 8,
        octaves_up: float = 1.0,
        window: Window | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.plan, self.window = plan, window or Window()
        self.per_octave, self.octaves_up = per_octave, octaves_up
        self.seed, self._progress = seed, progress
        self.trees: BoostedTrees | None = None
        self.offset = 0.0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read ``DETECTOR``."""
        node = cfg.DETECTOR
        plan = BoostingPlan(
            stages=tuple(node.STAGES),
            depth=node.DEPTH,
            discrete=node.DISCRETE,
            negatives=node.NEGATIVES,
            negatives_kept=node.NEGATIVES_KEPT,
            per_frame=node.NEGATIVES_PER_FRAME,
            frames=node.NEGATIVE_FRAMES,
            least_height=node.LEAST_HEIGHT,
            shift=node.CASCADE_SHIFT,
        )
        return {
            "plan": plan,
            "per_octave": node.SCALES_PER_OCTAVE,
            "octaves_up": node.OCTAVES_UP,
            "seed": max(cfg.SEED, 0),
        }

    def channels(self, image: np.ndarray) -> np.ndarray:
        """The channels of an image whose sides are whole cells.

        Args:
            image: (h, w, 3) uint8 RGB.

        Returns:
            (h / shrink, w / shrink, C) float32.
        """
        raise NotImplementedError

    def padded(self, channels: np.ndarray) -> np.ndarray:
        """Channels with the window's padding around them."""
        rows, columns = self.window.padding
        return np.pad(channels, ((rows, rows), (columns, columns), (0, 0)), mode="edge")

    def detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find people.

        Args:
            image: (h, w, 3) uint8 RGB.

        Returns:
            (n, 4) float32 XYXY, which may pass the frame's edges, and (n,) float32 scores in (0, 1), falling.
        """
        boxes, scores = self._detect(image)
        return boxes, (1 / (1 + np.exp(-(scores - self.offset) / _SCORE_SPREAD))).astype(np.float32)

    def _detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        search = partial(slide, window=self.window, trees=self.trees, stop_below=STOP_BELOW)
        return detect(self._levels(image), self.window, search)

    def _levels(self, image: np.ndarray) -> Iterable[tuple[tuple[float, float], np.ndarray]]:
        height, width = image.shape[:2]
        scales = pyramid_scales(height, width, self.window, per_octave=self.per_octave, octaves_up=self.octaves_up)
        for scale in scales:
            size = rounded_size(height, width, scale, self.window.shrink)
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            scaled = cv2.resize(image, size[::-1], interpolation=method)
            yield (size[0] / height, size[1] / width), self.padded(self.channels(scaled))

    def fit(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Train on the annotated people of a split, labelled or not.

        Args:
            records: with ``annotations``.

        Raises:
            ValueError: there is nobody to learn from.
        """
        generator = np.random.default_rng(self.seed)
        people = [self._people(record) for record in records]
        positives = self._windows(records, people, mirror=True)
        if not len(positives):
            raise ValueError(
                f"training split: expected people of {self.plan.least_height:g} pixels or more, found none in "
                f"{len(records)} frames; lower DETECTOR.LEAST_HEIGHT or name a split with annotations"
            )
        negatives = np.zeros((0, positives.shape[1]), dtype=positives.dtype)
        for stage, num_trees in enumerate(self.plan.stages):
            found = self._negatives(records, generator, stage)
            negatives = np.concatenate([negatives, found])
            negatives = negatives[generator.permutation(len(negatives))[: self.plan.negatives_kept]]
            _logger.info(
                "stage %d: %d windows with people, %d without (%d new), %d trees",
                stage + 1, len(positives), len(negatives), len(found), num_trees,
            )  # fmt: skip
            self.trees = train_trees(
                np.concatenate([positives, negatives]),
                np.arange(len(positives) + len(negatives)) < len(positives),
                num_trees=num_trees,
                depth=self.plan.depth,
                discrete=self.plan.discrete,
                generator=generator,
            ).shifted(self.plan.shift)
        self._calibrate(records, generator)

    def _people(self, record: Mapping[str, Any]) -> np.ndarray:
        """Annotated boxes that are high enough, at the window's aspect: height and centre stay."""
        boxes = annotation_boxes(people_of(record))
        boxes = boxes[boxes[:, 3] - boxes[:, 1] >= self.plan.least_height]
        return self._at_aspect(boxes)

    def _at_aspect(self, boxes: np.ndarray) -> np.ndarray:
        centres = (boxes[:, 0] + boxes[:, 2]) / 2
        half = (boxes[:, 3] - boxes[:, 1]) * (self.window.person[1] / self.window.person[0]) / 2
        return np.stack([centres - half, boxes[:, 1], centres + half, boxes[:, 3]], axis=1)

    def _windows(
        self, records: Sequence[Mapping[str, Any]], boxes: Sequence[np.ndarray], *, mirror: bool = False
    ) -> np.ndarray:
        """(n, D) float16 features of the windows around boxes of people; mirrored ones follow each."""
        rows = []
        for record, found in zip(records, boxes, strict=True):
            if len(found):
                image = np.ascontiguousarray(read_frame(dict(record), "RGB"))
                for box in found:
                    patch = pad_window(image, box, self.window, _CONTEXT)
                    rows += [self._features(p) for p in ((patch, patch[:, ::-1]) if mirror else (patch,))]
        return np.stack(rows) if rows else np.zeros((0, 0), dtype=np.float16)

    def _features(self, patch: np.ndarray) -> np.ndarray:
        channels = self.channels(np.ascontiguousarray(patch))[_CONTEXT:-_CONTEXT, _CONTEXT:-_CONTEXT]
        return channels.transpose(2, 1, 0).ravel().astype(np.float16)

    def _negatives(
        self, records: Sequence[Mapping[str, Any]], generator: np.random.Generator, stage: int
    ) -> np.ndarray:
        """Windows without people: anywhere at first, then the false alarms of the cascade so far."""
        chosen, parts, count = generator.permutation(len(records))[: self.plan.frames], [], 0
        title = f"windows without people, stage {stage + 1}"
        with tqdm(total=self.plan.negatives, desc=title, unit="window", disable=not self._progress) as progress:
            for place in chosen:
                if count >= self.plan.negatives:
                    break
                record = records[place]
                image = np.ascontiguousarray(read_frame(dict(record), "RGB"))
                boxes = self._detect(image)[0] if stage else self._anywhere(image.shape[:2], generator)
                people = annotation_boxes(people_of(record))
                overlaps = paired_iou(np.repeat(boxes, len(people), axis=0), np.tile(people, (len(boxes), 1)))
                is_free = (overlaps.reshape(len(boxes), len(people)) < 0.1).all(axis=1)
                boxes = boxes[is_free][: min(self.plan.per_frame, self.plan.negatives - count)]
                parts.append(self._windows([record], [boxes]))
                count += len(boxes)
                progress.update(len(boxes))
        parts = [part for part in parts if len(part)]
        return np.concatenate(parts) if parts else np.zeros((0, self._num_features()), dtype=np.float16)

    def _num_features(self) -> int:
        height, width = self.window.size
        side = 2 * _CONTEXT * self.window.shrink
        return len(self._features(np.zeros((height + side, width + side, 3), dtype=np.uint8)))

    def _anywhere(self, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
        """Boxes at random places, from the lowest people to as high as the frame."""
        count = 4 * self.plan.per_frame
        heights = generator.uniform(min(self.plan.least_height, size[0]), size[0], count)
        tops = generator.uniform(0, 1, count) * (size[0] - heights)
        centres = generator.uniform(0, size[1], count)
        return self._at_aspect(np.stack([centres, tops, centres, tops + heights], axis=1))

    def _calibrate(self, records: Sequence[Mapping[str, Any]], generator: np.random.Generator) -> None:
        """Choose the score that becomes 0.5: as many detections above it as there are people."""
        chosen = generator.permutation(len(records))[:_CALIBRATION_FRAMES]
        scores, people = [], 0
        for place in tqdm(chosen, desc="calibrate", unit="frame", disable=not self._progress):
            scores.append(self._detect(np.ascontiguousarray(read_frame(dict(records[place]), "RGB")))[1])
            people += len(people_of(records[place]))
        ordered = np.sort(np.concatenate(scores))[::-1]
        if len(ordered):
            self.offset = float(ordered[min(people, len(ordered)) - 1])
        _logger.info("score %.2f becomes 0.5: %d detections for %d people", self.offset, len(ordered), people)

    def save(self, path: str | Path) -> None:
        """Write cascade and calibration to an .npz file."""
        trees = {name: getattr(self.trees, name) for name in ("features", "thresholds", "values", "depth")}
        with written_aside(path) as aside, aside.open("wb") as stream:
            np.savez_compressed(stream, name=type(self).__name__, offset=self.offset, **trees)

    def load(self, path: str | Path) -> None:
        """Read what :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is the file of another detector, or none, or is damaged.
        """
        with open_npz(path, remedy="give the detector.npz of the same DETECTOR.NAME, or train it again") as content:
            if (name := content.get("name", "")) != type(self).__name__:
                raise ValueError(f"expected a cascade of {type(self).__name__}, found {name or 'none'}")
            self.offset = float(content["offset"])
            self.trees = BoostedTrees(
                content["features"], content["thresholds"], content["values"], int(content["depth"])
            )


def build_detector(cfg: CfgNode) -> PersonDetector:
    """Build the detector that ``DETECTOR.NAME`` names, not trained.

    Raises:
        ValueError: there is no detector of that name.
    """
    name = cfg.DETECTOR.NAME
    if name not in PERSON_DETECTOR_REGISTRY:
        known = ", ".join(known for known, _ in PERSON_DETECTOR_REGISTRY)
        raise ValueError(f"DETECTOR.NAME: expected one of {known}, found {name!r}")
    detector_class = PERSON_DETECTOR_REGISTRY.get(name)
    return detector_class(**detector_class.from_config(cfg))
