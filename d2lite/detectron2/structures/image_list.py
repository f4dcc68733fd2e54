from torch import Tensor


class ImageList:
    """A padded batch `tensor` (N, C, H, W) and the `image_sizes` (height, width) without padding."""

    def __init__(self, tensor: Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensor, self.image_sizes, self.device = tensor, image_sizes, tensor.device

    def __len__(self) -> int:
        return len(self.image_sizes)

    def __getitem__(self, idx: int) -> Tensor:
        height, width = self.image_sizes[idx]
        return self.tensor[idx, ..., :height, :width]

    @staticmethod
    def from_tensors(tensors, size_divisibility=0, pad_value=0.0, padding_constraints=None) -> "ImageList":
        """Pad on the right and at the bottom to the largest height and width, rounded up to a multiple."""
        sizes = [tuple(t.shape[-2:]) for t in tensors]
        shape = [max(sides) for sides in zip(*sizes, strict=True)]
        constraints = padding_constraints or {}
        if constraints.get("square_size", 0) > 0:
            shape = [max(*shape, constraints["square_size"])] * 2
        step = max(1, constraints.get("size_divisibility", size_divisibility))
        shape = [-(-side // step) * step for side in shape]
        batch = tensors[0].new_full((len(tensors), *tensors[0].shape[:-2], *shape), pad_value)
        for image, (height, width), target in zip(tensors, sizes, batch, strict=True):
            target[..., :height, :width].copy_(image)
        return ImageList(batch, sizes)
