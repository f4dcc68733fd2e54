r"""Compare NAE's or SeqNet's heads here with a recorded run of their authors' code.

A recording is an .npz file: pictures, settings, a rule that makes the weights, and what the authors' code gave on
them. docs/strong_heads.md lists the keys. Printed are the largest differences beside the tolerances; then, unless
--picture asks for one, those of a training step on all pictures, relative to what was recorded.

Examples:
    python tools/compare_recording.py seqnet.npz
    python tools/compare_recording.py nae.npz --picture 1

Exit status: 0, 1 when a difference is above its tolerance, or 2 when an argument or a file does not fit.
"""

import argparse
import json
import sys
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import numpy as np
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from PIL import Image
from torch import Tensor, nn

from inet_d2.command_line import exit_status, split_options
from inet_d2.conversion import convert, fit, rename
from inet_d2.data.pids import UNLABELLED
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.engine import load_config
from inet_d2.npz_file import open_npz

ROOT = Path(__file__).resolve().parent.parent
# Largest differences that rounding explains: pixels, probabilities, unit vectors.
TOLERANCES = {
    "input": 2e-6, "res4": 2e-4, "proposals": 0.02, "boxes": 0.02, "scores": 5e-4, "embeddings": 1e-4,
    "query_embeddings": 1e-4,
}  # fmt: skip
# Relative ones of a training step. Batch norms of two images amplify rounding on the way down through the backbone.
STEP_TOLERANCES = {"loss": 3e-3, "gradient": 1e-2, "gradient/backbone": 5e-2, "buffer": 1e-3}
LOSSES = {
    "nae": {"loss_cls": "detection", "loss_box_reg": "box_reg", "loss_oim": "reid"},
    "seqnet": {
        "loss_cls": "proposal_cls", "loss_box_reg": "proposal_reg", "loss_cls_second": "box_cls",
        "loss_box_reg_second": "box_reg", "loss_oim": "box_reid",
    },
}  # fmt: skip
PEERS_UNLABELLED = 5555


def tensor_of_rule(seed: int, name: str, entry: Mapping) -> Tensor:
    """One tensor of made-up weights: offset + scale * u, u uniform in [-1, 1) from a generator seeded by the name."""
    if entry.get("dtype") == "int64":
        return torch.full(tuple(entry["shape"]), int(entry["offset"]))
    state = np.random.RandomState(zlib.crc32(f"{seed}/{name}".encode("ascii")))
    values = np.asarray(entry["offset"]) + entry["scale"] * (2.0 * state.random_sample(tuple(entry["shape"])) - 1.0)
    if entry.get("rows") == "unit":
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def made_up_weights(recording: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """All weights of a recording, by the peer's names."""
    table = json.loads(str(recording["weights"]))
    return {name: tensor_of_rule(table["seed"], name, entry) for name, entry in table["tensors"].items()}


def load_model(recording: Mapping[str, np.ndarray], opts: Sequence[str]) -> tuple[nn.Module, SearchDatasetMapper]:
    """The model with the recording's weights and settings, and the mapper that feeds it.

    Raises:
        ValueError: the recording's weights do not fit the model.
    """
    about = json.loads(str(recording["about"]))
    settings = {
        "MODEL.DEVICE": "cpu",
        "INPUT.MIN_SIZE_TEST": about["min_size"],
        "INPUT.MAX_SIZE_TEST": about["max_size"],
        "MODEL.RPN.POST_NMS_TOPK_TEST": about["post_nms_topk_test"],
        "MODEL.ROI_REID_HEAD.NUM_PIDS": about["num_pids"],
        "MODEL.ROI_REID_HEAD.OIM.QUEUE_SIZE": about["queue_size"],
    }
    pairs = [str(word) for pair in settings.items() for word in pair]
    cfg = load_config(str(ROOT / f"configs/CUHK-SYSU/{about['kind']}_r50.yaml"), [*pairs, *opts])
    model = build_model(cfg).eval()
    entries = made_up_weights(recording)
    conversion = convert(entries, "", "c4")
    fit(entries, conversion, {name: tuple(value.shape) for name, value in model.state_dict().items()})
    model.load_state_dict(rename(entries, conversion), strict=False)
    return model, SearchDatasetMapper(cfg, is_train=False)


def input_of(mapper: SearchDatasetMapper, picture: np.ndarray, boxes: np.ndarray) -> dict:
    """A picture as the model gets it, with boxes (n, 4) moved along as ``query_boxes``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        Image.fromarray(picture).save(path)
        return mapper({"file_name": str(path), "image_id": "picture", "query_boxes": boxes})


@torch.no_grad()
def results_of(model: nn.Module, mapper: SearchDatasetMapper, picture: np.ndarray, queries: np.ndarray) -> dict:
    """What the recording has of one picture, made here."""
    image = input_of(mapper, picture, queries)
    batch = model.preprocess_image([image])
    features = model.backbone(batch.tensor)
    proposals, _ = model.proposal_generator(batch, features, None)
    (output,) = model([image])
    found = output["instances"]
    return {
        "input": batch.tensor[0][:, ::8, ::8],
        "res4": features["res4"][0, ::32],
        "proposals": proposals[0].proposal_boxes.tensor,
        "boxes": found.pred_boxes.tensor,
        "scores": found.scores,
        "embeddings": found.pred_embeddings * found.scores[:, None],
        "query_embeddings": output["query_embeddings"],
    }


def differences(recording: Mapping[str, np.ndarray], picture: int, found: dict) -> Iterator[tuple[str, str, bool]]:
    """Name, what to print, and whether it is within its tolerance."""
    keys = {"input": "input_8th", "res4": "res4_32th"}
    for name, value in found.items():
        expected = recording[f"{picture}/{keys.get(name, name)}"]
        if tuple(value.shape) != expected.shape:
            yield name, f"expected {expected.shape}, found {tuple(value.shape)}", False
        else:
            largest = float(np.abs(value.numpy() - expected).max(initial=0.0))
            yield name, f"{largest:.1e} of {TOLERANCES[name]:.0e} ({len(expected)} rows)", largest <= TOLERANCES[name]


def step_of(model: nn.Module, mapper: SearchDatasetMapper, recording: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Losses of the heads in training on all pictures, on the recorded proposals; gradients and buffers are then there.

    The proposals' own losses are left out: which anchors are sampled is random.
    """
    state, entries = model.roi_heads.identity_losses.terms["oim"], made_up_weights(recording)
    with torch.no_grad():
        state.lookup_table.copy_(entries["roi_heads.reid_loss.lut"])
        state.queue.update(entries["roi_heads.reid_loss.cq"], torch.full((len(state.queue.pids),), UNLABELLED))
    inputs, proposals = [], []
    for index in range(sum(name.endswith("/gt_labels") for name in recording)):
        image = input_of(mapper, recording[f"{index}/image"], recording[f"train/{index}/gt_boxes"])
        labels = torch.from_numpy(recording[f"train/{index}/gt_labels"]).long()
        people = Instances(tuple(image["image"].shape[-2:]), gt_boxes=Boxes(image["query_boxes"]))
        people.gt_pids = torch.where(labels == PEERS_UNLABELLED, UNLABELLED, labels - 1)
        people.gt_classes = torch.zeros_like(labels)
        boxes = torch.from_numpy(recording[f"train/{index}/proposals"]).float()
        logits = torch.zeros(len(boxes))
        proposals.append(Instances(people.image_size, proposal_boxes=Boxes(boxes), objectness_logits=logits))
        inputs.append({**image, "instances": people})
    model.train()
    batch = model.preprocess_image(inputs)
    with EventStorage():
        losses = model.roi_heads(batch, model.backbone(batch.tensor), proposals, [x["instances"] for x in inputs])[1]
    sum(losses.values()).backward()
    return losses


def step_differences(
    model: nn.Module, losses: Mapping[str, Tensor], recording: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, str, bool]]:
    """As :func:`differences`, of losses, norms of gradients, and buffers after a step."""
    kind = json.loads(str(recording["about"]))["kind"]
    names = convert(made_up_weights(recording), "", "c4").names
    values, pairs = {**dict(model.named_parameters()), **dict(model.named_buffers())}, []
    for name, peers in LOSSES[kind].items():
        expected = recording[f"train/loss_{peers}"] * recording[f"train/weight_loss_{peers}"]
        pairs.append((name, "loss", losses[name].detach(), expected))
    for key in recording:
        what, _, entry = key.removeprefix("train/").partition("/")
        if what == "gradient":
            kind = "gradient/backbone" if entry.startswith("backbone.") else "gradient"
            # Recorded are norm, sum and first entry.
            pairs.append((f"gradient {entry}", kind, values[names[entry]].grad.norm(), recording[key][0]))
        elif what == "buffer":
            pairs.append((f"buffer {entry}", "buffer", values[names[entry]], recording[key]))
    for name, kind, found, expected in pairs:
        largest = float(np.abs(found.numpy() - expected).max() / np.abs(expected).max())
        yield name, f"{largest:.1e} of {STEP_TOLERANCES[kind]:.0e}", largest <= STEP_TOLERANCES[kind]


def run(options: argparse.Namespace) -> int:
    """Compare and print; 1 if something is off.

    Raises:
        OSError, ValueError: the file cannot be read or is no recording.
    """
    with open_npz(options.recording, remedy="give a recording, see docs/strong_heads.md") as file:
        recording = {name: file[name] for name in file.files}
    if not {"about", "weights"} <= recording.keys():
        raise ValueError(f"{options.recording}: expected the entries about and weights, found {', '.join(recording)}")
    model, mapper = load_model(recording, options.opts)
    pictures = sorted({int(name.split("/")[0]) for name in recording if name.endswith("/image") and name[0].isdigit()})
    is_right = True
    for picture in pictures if options.picture is None else [options.picture]:
        found = results_of(model, mapper, recording[f"{picture}/image"], recording[f"{picture}/query_boxes"])
        is_right &= print_differences(f"picture {picture}", differences(recording, picture, found))
    if options.picture is None and "train/0/gt_boxes" in recording:
        losses = step_of(model, mapper, recording)
        is_right &= print_differences("training step", step_differences(model, losses, recording))
    return 0 if is_right else 1


def print_differences(title: str, lines: Iterator[tuple[str, str, bool]]) -> bool:
    """Print them; whether all are within their tolerances."""
    lines = list(lines)
    width = max(len(name) for name, _, _ in lines)
    print(title)
    for name, text, is_within in lines:
        print(f"  {name:<{width}}  {text}{'' if is_within else '   TOO FAR'}")
    return all(is_within for _, _, is_within in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s recording [--picture N] [KEY VALUE ...]",
    )
    parser.add_argument("recording", type=Path, help="an .npz file")
    parser.add_argument("--picture", type=int, help="one of its pictures (default: all)")
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    codes = []
    status = exit_status("compare_recording", lambda: codes.append(run(options)))
    return status or codes[0]


if __name__ == "__main__":
    sys.exit(main())
