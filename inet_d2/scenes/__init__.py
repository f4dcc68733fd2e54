"""Drawn street scenes in the on-disk layout of CUHK-SYSU: data to try, test and time person search with."""

from inet_d2.scenes.generate import make_scenes
from inet_d2.scenes.preset import PRESETS, ScenePreset, SplitSize

__all__ = ["PRESETS", "ScenePreset", "SplitSize", "make_scenes"]
