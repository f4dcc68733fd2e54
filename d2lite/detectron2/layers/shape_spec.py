from dataclasses import dataclass


@dataclass
class ShapeSpec:
    """What is known of a feature map's shape; stride in pixels of the image."""

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None
