from torch import Tensor, nn
from torchvision.ops import roi_align


class ROIAlign(nn.Module):
    """Bilinear RoI pooling; `aligned` places pixels at their centres (a shift by half a pixel of the map)."""

    def __init__(self, output_size, spatial_scale, sampling_ratio, aligned=True) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        """Maps (N, C, H, W), RoIs (R, 5) = image index and XYXY in pixels -> (R, C, *output_size)."""
        assert rois.shape[1:] == (5,), f"ROIAlign: expected Rx5, got {tuple(rois.shape)}"
        options = (self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)
        return roi_align(x, rois.to(dtype=x.dtype), *options)
