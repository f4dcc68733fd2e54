r"""Compare NAE's or SeqNet's heads here with a recorded run of their authors' code.

A recording is an .npz file: pictures, settings, a rule that makes the weights, and what the authors' code gave on
them. docs/strong_heads.md lists the keys. Printed are the largest differences beside the tolerances.

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
from PIL import Image
from torch import Tensor, nn

from inet_d2.command_line import exit_status, split_options
from inet_d2.conversion import convert, fit, rename
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.engine import load_config
from inet_d2.npz_file import open_npz

ROOT = Path(__file__).resolve().parent.parent
# Largest differences that rounding explains: pixels, probabilities, unit vectors.
TOLERANCES = {
    "input": 2e-6, "res4": 2e-4, "proposals": 0.02, "boxes": 0.02, "scores": 5e-4, "embeddings": 1e-4,
    "query_embeddings": 1e-4,
}  # fmt: skip


def tensor_of_rule(seed: int, name: str, entry: Mapping) -> Tensor:
    """One tensor of made-up weights: offset + scale * u, u uniform in [-1, 1) from a generator seeded by the name."""
    if entry.get("dtype") == "int64":
        return torch.full(tuple(entry["shape"]), int(entry["offset"]))
    state = np.random.RandomState(zlib.crc32(f"{seed}/{name}".encode("ascii")))
    values = np.asarray(entry["offset"]) + entry["scale"] * (2.0 * state.random_sample(tuple(entry["shape"])) - 1.0)
    if entry.get("rows") == "unit":
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def load_model(recording: Mapping[str, np.ndarray], opts: Sequence[str]) -> tuple[nn.Module, SearchDatasetMapper]:
    """The model with the recording's weights and settings, and the mapper that feeds it.

    Raises:
        ValueError: the recording's weights do not fit the model.
    """
    about, table = (json.loads(str(recording[key])) for key in ("about", "weights"))
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
    entries = {name: tensor_of_rule(table["seed"], name, entry) for name, entry in table["tensors"].items()}
    conversion = convert(entries, "", "c4")
    fit(entries, conversion, {name: tuple(value.shape) for name, value in model.state_dict().items()})
    model.load_state_dict(rename(entries, conversion), strict=False)
    return model, SearchDatasetMapper(cfg, is_train=False)


@torch.no_grad()
def results_of(model: nn.Module, mapper: SearchDatasetMapper, picture: np.ndarray, queries: np.ndarray) -> dict:
    """What the recording has of one picture, made here."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        Image.fromarray(picture).save(path)
        image = mapper({"file_name": str(path), "image_id": "picture", "query_boxes": queries})
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
        print(f"picture {picture}")
        for name, text, is_within in differences(recording, picture, found):
            print(f"  {name:<18}{text}{'' if is_within else '   TOO FAR'}")
            is_right &= is_within
    return 0 if is_right else 1


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
