from ..structures import Instances


def detector_postprocess(results: Instances, output_height: int, output_width: int) -> Instances:
    """Scale the boxes to the output's size, clip them, drop empty ones; changes `results`' boxes too."""
    height, width = results.image_size
    out = Instances((output_height, output_width), **results.get_fields())
    boxes = out.pred_boxes if out.has("pred_boxes") else out.proposal_boxes
    boxes.scale(output_width / width, output_height / height)
    boxes.clip(out.image_size)
    return out[boxes.nonempty()]
