from .._lite import unsupported
from ..structures import Instances


def detector_postprocess(results, output_height, output_width, mask_threshold=0.5) -> Instances:
    """Scale the boxes to the output's size, clip them, drop empty ones; changes `results`' boxes too."""
    if results.has("pred_masks") or results.has("pred_keypoints"):
        unsupported("detector_postprocess of masks and keypoints")
    height, width = results.image_size
    out = Instances((output_height, output_width), **results.get_fields())
    boxes = out.pred_boxes if out.has("pred_boxes") else out.proposal_boxes
    boxes.scale(output_width / width, output_height / height)
    boxes.clip(out.image_size)
    return out[boxes.nonempty()]
