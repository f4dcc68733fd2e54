"""How honest the pixels are: clothes, cloth and cameras between a person and a picture.

The plain look leaves all as it is drawn. The street's makes pixels alone say less of who somebody is, as real
frames do.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from inet_d2.scenes.person import Colour, Person
from inet_d2.scenes.preset import ScenePreset, StreetPreset


class PlainLook:
    """Changes nothing and draws no random number."""

    def dress(self, person: Person, number: int) -> Person:
        """What somebody wears, the same in all frames; ``number`` is the person's."""
        del number
        return person

    def turned(self, person: Person, view: str, number: int) -> Person:
        """What is seen of it from "front", "back" or "side"."""
        del view, number
        return person

    def woven(self, sprite: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Texture and shade on a finished (h, w, 4) float32 cut-out, whose alpha stays."""
        del rng
        return sprite

    def camera_number(self, rng: np.random.Generator) -> int:
        """Draw the camera of a frame, from 0; here there is one only."""
        del rng
        return 0

    def exposed(self, image: np.ndarray, number: int) -> np.ndarray:
        """What a camera makes of an (H, W, 3) float32 picture, 0-255."""
        del number
        return image


class StreetLook(PlainLook):
    """Few outfits, other fronts than backs, textured cloth in patchy shade, cameras with colours of their own.

    Args:
        preset: strengths and counts.
        seed: of the data set.
    """

    def __init__(self, preset: StreetPreset, seed: int) -> None:
        self.preset, self.seed = preset, seed

    def dress(self, person: Person, number: int) -> Person:
        """Most wear one of a few outfits, in shades of their own; body, hair and bag stay theirs."""
        rng = np.random.default_rng([self.seed, 11, number])
        muted = replace(person, upper=_muted(person.upper), second=_muted(person.second), lower=_muted(person.lower))
        if rng.random() >= self.preset.like_clothes:
            return muted
        outfit = np.random.default_rng([self.seed, 12, int(rng.integers(self.preset.outfits))])
        greys = outfit.uniform(40, 190, 3)
        upper, second, lower = (_shifted(grey + outfit.uniform(-26, 26, 3), rng.uniform(-12, 12, 3)) for grey in greys)
        pattern = ("plain", "plain", "two_tone", "horizontal")[int(outfit.integers(4))]
        return replace(muted, upper=upper, second=second, lower=lower, pattern=pattern, hat="none")

    def turned(self, person: Person, view: str, number: int) -> Person:
        """From behind nobody shows a pattern, and half of the people another colour, as in an open jacket."""
        if view != "back":
            return person
        is_open = np.random.default_rng([self.seed, 13, number]).random() < 0.5
        return replace(person, pattern="plain", upper=person.second if is_open else person.upper)

    def woven(self, sprite: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Multiply patchy shade and fine weave, both new in every frame."""
        height, width = sprite.shape[:2]
        patches = rng.standard_normal((7, 4), dtype=np.float32)
        shade = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(self.preset.shade)
        grain = rng.standard_normal((max(height // 2, 1), max(width // 2, 1)), dtype=np.float32)
        grain = cv2.resize(grain, (width, height)) * np.float32(self.preset.weave)
        rgb = sprite[..., :3] * np.exp(np.clip(shade + grain, -1.2, 0.6))[..., None]
        return np.dstack([np.minimum(rgb, sprite[..., 3:]), sprite[..., 3]])

    def camera_number(self, rng: np.random.Generator) -> int:
        """Draw the camera of a frame, from 0."""
        return int(rng.integers(self.preset.cameras))

    def exposed(self, image: np.ndarray, number: int) -> np.ndarray:
        """Apply a camera's balance, mixing of colours, contrast and resolution."""
        camera = np.random.default_rng([self.seed, 14, number])
        gains = np.exp(self.preset.cast * camera.uniform(-1, 1, 3)).astype(np.float32)
        saturation = np.float32(camera.uniform(0.45, 1.1))
        gamma = float(np.exp(self.preset.cast * camera.uniform(-1.5, 1.5)))
        grey = image.mean(axis=2, keepdims=True)
        image = np.clip((grey + saturation * (image - grey)) * gains / 255, 0, 1) ** np.float32(gamma) * 255
        factor = camera.uniform(*self.preset.resolution)
        height, width = image.shape[:2]
        small = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def look_of(preset: ScenePreset, seed: int) -> PlainLook:
    """The look that a preset asks for."""
    return StreetLook(preset, seed) if isinstance(preset, StreetPreset) else PlainLook()


def _muted(colour: Colour) -> Colour:
    """A colour half way to its grey."""
    grey = sum(colour) / 3
    return _shifted(np.array(colour, dtype=np.float64) * 0.5 + grey * 0.5, np.zeros(3))


def _shifted(colour: np.ndarray, by: np.ndarray) -> Colour:
    red, green, blue = np.clip(np.rint(colour + by), 16, 240).astype(int).tolist()
    return red, green, blue
