"""How good a hit must be: false alarms of searches for somebody absent, against the size of what is searched.

A search among N images errs when any image holds somebody alike, so no fixed similarity serves: the same model needs
another threshold for 10 images than for 1,000. What is kept is therefore a curve: for each of Q people, the best
similarities that images without that person reached. With F_q(t) the share of these images that stay below t,

    false alarms(t, N) = mean over q of 1 - F_q(t)^N,

and a person who is there is found when their own similarity s passes t and no image beats it: [s >= t] F_q(s)^N.
Above the 5% line of a person, F_q is a generalised Pareto tail whose scale and shape are those of everybody's excesses
together (peaks over threshold; Hosking and Wallis 1987, probability-weighted moments), so that a threshold does not
hang on the one most alike stranger of each person.

Shapes: Q people, T kept similarities of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from inet_d2.search.store import Store

KEPT = 50  # best images of each person; the rest lies below every useful threshold
TAIL = 0.05  # share of the images that the tail is read from
SHAPES = (-0.3, 0.0)  # bounds: cosines end at 1, and a tail heavier than exponential has never been seen
MIN_PEOPLE = 20  # fewer support no rate at all
FAR_BEYOND = 10  # times the labelled images: the tail is a guess there
BISECTIONS = 40
RATES, SIZES = (0.01, 0.05, 0.1), (100, 1000, 4000)
RESAMPLES = 200


@dataclass(frozen=True, eq=False)
class Curve:
    """Similarities of strangers.

    Attributes:
        impostors: (Q, T) float64, the best similarity in each of the most alike images, falling; -1 fills up.
        num_images: (Q,) int64, images without the person.
        correct: (Q,) float64, the person's own best similarity in another image, averaged over these; NaN if the
            detector missed them in all.
        data: the labelled data, in words.
    """

    impostors: np.ndarray
    num_images: np.ndarray
    correct: np.ndarray
    data: str

    def __post_init__(self) -> None:
        if len(self.impostors) < MIN_PEOPLE:
            raise ValueError(
                f"calibration: {len(self.impostors)} labelled people in {self.data} support no rate of false alarms; "
                f"at least {MIN_PEOPLE} are needed, and 100 for 1%"
            )

    @property
    def num_people(self) -> int:
        """Q."""
        return len(self.impostors)

    def is_extrapolated(self, size: int) -> bool:
        """More images are searched than were labelled."""
        return size > self.num_images.min()

    def is_far_beyond(self, size: int) -> bool:
        """So many more that the figure is a guess."""
        return size > FAR_BEYOND * self.num_images.min()

    def false_alarm_rate(self, similarity: float, size: int) -> float:
        """Share of searches for somebody absent, among ``size`` images, that show a hit at least this good."""
        return float(self._alarms(np.full(self.num_people, similarity), size).mean())

    def threshold(self, rate: float, size: int) -> float:
        """The similarity that keeps false alarms at a rate.

        Args:
            rate: in (0, 1).
            size: images that are searched.

        Returns:
            In [-1, 1.5]; above 1 nothing can pass.

        Raises:
            ValueError: there are too few people for the rate.
        """
        if rate * self.num_people < 1 - 1e-9:
            raise ValueError(
                f"--false-alarms {rate:g}: {self.num_people} labelled people cannot support a rate below "
                f"{1 / self.num_people:.2g}; ask for more, or calibrate with more people"
            )
        low, high = -1.0, 1.5
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.false_alarm_rate(middle, size) > rate else (low, middle)
        return high

    def detection_rates(self, threshold: float, size: int) -> np.ndarray:
        """(Q,) chance that each person, if there, is found above the threshold and before everybody else."""
        own = np.nan_to_num(self.correct, nan=-1.0)
        return np.where(own >= threshold, 1 - self._alarms(own, size), 0.0)

    def _alarms(self, similarities: np.ndarray, size: int) -> np.ndarray:
        """(Q,) chance of a hit at least as good, each person with a similarity of their own."""
        above = (self.impostors >= similarities[:, None]).sum(axis=1)
        counts, lines = self._lines()
        scale, shape = self._tail
        excess = np.maximum(similarities - lines, 0) / scale
        tail = np.exp(-excess) if shape == 0 else np.maximum(1 + shape * excess, 0) ** (-1 / shape)
        # k - 1, not k: the line is itself one of the sample, and lies too high on average
        share = np.where(similarities < lines, above, np.maximum(counts - 1, 0.5) * tail) / self.num_images
        return 1 - (1 - share.clip(0, 1)) ** size

    def _lines(self) -> tuple[np.ndarray, np.ndarray]:
        """(Q,) how many of a person's images lie on the tail, and the lowest similarity of these."""
        counts = np.ceil(TAIL * self.num_images).clip(2, self.impostors.shape[1]).astype(int)
        counts = np.minimum(counts, self.num_images)
        return counts, self.impostors[np.arange(self.num_people), counts - 1]

    @cached_property
    def _tail(self) -> tuple[float, float]:
        """Scale and shape of all excesses over the lines."""
        counts, lines = self._lines()
        is_top = np.arange(self.impostors.shape[1]) < (counts - 1)[:, None]
        excesses = np.sort((self.impostors - lines[:, None])[is_top])
        if not len(excesses) or excesses[-1] <= 0:
            return 1e-6, 0.0
        ranks = (np.arange(len(excesses)) + 0.65) / len(excesses)
        mean, weighted = excesses.mean(), (excesses * (1 - ranks)).mean()
        shape = float(np.clip(2 - mean / max(mean - 2 * weighted, 1e-9), *SHAPES))
        return float(mean) * (1 - shape), shape


def curve_of(
    impostor_maxima: Sequence[np.ndarray], correct: Sequence[float], data: str, *, num_kept: int = KEPT
) -> Curve:
    """Make a curve of each person's similarities.

    Args:
        impostor_maxima: for each person, one value for each image without them.
        correct: see :class:`Curve`.
        data: the labelled data, in words.
        num_kept: T.

    Returns:
        The curve.

    Raises:
        ValueError: there are too few people, or a person has no image.
    """
    counts = np.array([len(values) for values in impostor_maxima], dtype=np.int64)
    if len(counts) and not counts.min():
        raise ValueError(f"calibration: {data}: expected images without each person, found a person in all of them")
    kept = np.full((len(counts), num_kept), -1.0)
    for row, values in zip(kept, impostor_maxima, strict=True):
        best = np.sort(values)[::-1][:num_kept]
        row[: len(best)] = best
    return Curve(kept, counts, np.asarray(correct, dtype=float), data)


def write_curve(store: Store, curve: Curve) -> None:
    """Keep a curve in an index, in the place of an older one."""
    correct = [None if np.isnan(value) else round(float(value), 5) for value in curve.correct]
    values: dict[str, Any] = {
        "impostors": curve.impostors.round(5).tolist(), "num_images": curve.num_images.tolist(), "correct": correct,
        "data": curve.data,
    }  # fmt: skip
    store.write_meta("curve", values)


def read_curve(store: Store) -> Curve | None:
    """The curve of an index, if it has one."""
    values = store.read_meta("curve")
    if not values:
        return None
    correct = np.array([np.nan if value is None else value for value in values["correct"]])
    return Curve(np.array(values["impostors"]), np.array(values["num_images"]), correct, values["data"])


def describe_curve(curve: Curve, seed: int = 0) -> str:
    """A table of what a curve means, with 95% intervals by resampling people."""
    generator = np.random.default_rng(seed)
    num_missed = int(np.isnan(curve.correct).sum())
    lines = [
        f"{curve.num_people} people, {int(curve.num_images.min())} images without them each, from {curve.data}",
        f"{num_missed} of {curve.num_people} were not detected in any other image: no threshold finds these",
        f"{'false alarms':>12} {'images':>7} {'similarity':>10}   found when there",
    ]
    picks = generator.integers(0, curve.num_people, (RESAMPLES, curve.num_people))
    for rate in (rate for rate in RATES if rate * curve.num_people >= 1):
        for size in SIZES:
            threshold = curve.threshold(rate, size)
            found = curve.detection_rates(threshold, size)
            low, high = np.percentile(found[picks].mean(axis=1), (2.5, 97.5))
            mark = "  extrapolated" if curve.is_extrapolated(size) else ""
            shares = f"{found.mean():.0%} ({low:.0%} to {high:.0%})"
            lines.append(f"{rate:>12.0%} {size:>7,} {threshold:>10.3f}   {shares}{mark}")
    lines += [f"{rate:>12.0%} needs {1 / rate:.0f} people" for rate in RATES if rate * curve.num_people < 1]
    return "\n".join(lines)


def in_words(rate: float) -> str:
    """A rate of false alarms as people say it."""
    if rate < 0.0005:
        return "fewer than 1 in 2,000 searches for someone absent would show a hit this good"
    if rate > 0.67:
        return "most searches for someone absent would show a hit this good"
    return f"1 in {max(2, round(1 / rate)):,} searches for someone absent would show a hit this good"
