"""The whole of person search on generated scenes: write scenes, train three stages, evaluate, search, draw.

Every step is a command that works on real data too, and is printed before it runs. A step whose result is there is
not run again; `rm -r output/demo` starts afresh.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from inet_d2.command_line import child_environment
from inet_d2.engine.checkpoint_file import is_sound
from inet_d2.files import write_json

ROOT = Path(__file__).resolve().parent.parent
SCENES_SEED = 2026
INET_SEARCH = ("-m", "inet_d2.search.commands.main")
STAGES = ("crops", "initialized", "inet")


EXAMPLES = """
Examples:
  python demo/run_demo.py
  python demo/run_demo.py --output output/other --seed 7 MODEL.ROI_REID_HEAD.SEPARATE_FC True
"""


def main(arguments: list[str] | None = None) -> int:
    """Run all steps and print the table of results; the exit code is that of the command that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("output/demo"), help="folder for everything written")
    parser.add_argument("--preset", default="demo", help="scenes to write, see datasets/make_scenes.py (default: demo)")
    parser.add_argument("--seed", type=int, default=SCENES_SEED, help=f"seed of the scenes (default: {SCENES_SEED})")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE ... for all training stages")
    args = parser.parse_args(arguments)
    start = time.time()
    demo = Demo(args.output.resolve(), args.opts)
    try:
        demo.scenes(args.preset, args.seed)
        demo.train()
        demo.baselines()
        demo.search()
    except subprocess.CalledProcessError as error:
        print(f"\nThe demo stopped: this command failed with exit code {error.returncode}:\n  {shlex.join(error.cmd)}")
        return error.returncode
    results = demo.results()
    print(table(results))
    print(f"\nResults: {demo.output / 'results.json'}\nPicture: {demo.output / 'search.png'}")
    print(f"Search these scenes with pictures of your own choice:\n  {page_command(demo.index)}")
    print(f"Total time: {time.time() - start:.0f} s")
    return 0


class Demo:
    """The steps of the demo; each leaves a file that says that it is done.

    Args:
        output: absolute path of the folder that holds everything.
        opts: configuration overrides for all stages.
    """

    def __init__(self, output: Path, opts: list[str]) -> None:
        self.output = output
        self.opts = opts
        self.datasets = output / "datasets"
        self.weights = output / "inet" / "model_final.pth"
        self.index = output / "inet" / "scenes.index"  # of these weights, and gone with them

    def scenes(self, preset: str, seed: int) -> None:
        """Write the scenes (the generator itself sees whether they are there)."""
        self._run("datasets/make_scenes.py", "--preset", preset, "--seed", seed, "--output", self.datasets)

    def train(self) -> None:
        """Person crops, the initialized model, I-Net: each starts from the one before and evaluates at its end."""
        start: list[object] = []
        for stage in STAGES:
            folder = self.output / stage
            self._train_net(stage, folder, *start)
            start = ["MODEL.WEIGHTS", folder / "model_final.pth"]

    def baselines(self) -> None:
        """What the scenes give away without learning: untrained weights and mean colours, both on annotated boxes."""
        untrained = self.output / "untrained"
        if not (untrained / "results.json").exists():
            self._run(
                "train_net.py", "--config-file", "configs/demo/inet.yaml", "--eval-only", *self.opts,
                "MODEL.WEIGHTS", "", "TEST.SEARCH.USE_GT_BOXES", True, "OUTPUT_DIR", untrained,
            )  # fmt: skip
        colours = self.output / "mean_colour"
        if not (colours / "results.json").exists():
            predictions = colours / "predictions.npz"
            self._run("tools/colour_baseline.py", "--dataset", "cuhk_sysu_test", "--output", predictions)
            self._run(
                "tools/score_search.py", "--dataset", "cuhk_sysu_test", "--predictions", predictions,
                "--gallery-size", 50, "--json", colours / "results.json",
            )  # fmt: skip

    def search(self) -> None:
        """Index all frames, search the first query of the test set's protocol and draw the answer."""
        picture = self.output / "search.png"
        if not picture.exists():
            image, box, gallery = first_query(self.datasets)
            self._run(
                *INET_SEARCH, "index", gallery, "--to", self.index, "--config-file", "configs/demo/inet.yaml",
                "--weights", self.weights, "--opts", *self.opts,
            )  # fmt: skip
            self._run(*INET_SEARCH, "query", self.index, "--image", image, "--box", *box, "--sheet", picture)

    def results(self) -> dict:
        """Collect the figures of all steps in ``results.json``."""
        results = read_json(self.output / "inet" / "results.json")
        results["initialized"] = read_json(self.output / "initialized" / "results.json")["search"]
        results["baselines"] = {
            "untrained_gt_boxes": read_json(self.output / "untrained" / "results.json")["search"],
            "mean_colour_gt_boxes": read_json(self.output / "mean_colour" / "results.json")["search"]["50"],
        }
        write_json(self.output / "results.json", results)
        return results

    def _train_net(self, stage: str, folder: Path, *opts: object) -> None:
        if not ((folder / "results.json").exists() and is_sound(folder / "model_final.pth")):
            config = f"configs/demo/{stage}.yaml"
            self._run(
                "train_net.py", "--config-file", config, "--resume", *self.opts, *opts, "OUTPUT_DIR", folder
            )  # fmt: skip

    def _run(self, *command: object) -> None:
        words = [sys.executable, *map(str, command)]
        print(f"\n$ {shlex.join(['python', *words[1:]])}", flush=True)
        environment = child_environment()
        # Notices of torch about its own parts would drown the progress.
        environment.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")
        environment["DETECTRON2_DATASETS"] = str(self.datasets)
        subprocess.run(words, check=True, cwd=ROOT, env=environment)


def page_command(index: Path) -> str:
    """The command that opens the search page on an index, as it works from this folder."""
    script = Path(sys.executable).with_name("inet-search")
    return shlex.join([*([str(script)] if script.exists() else [sys.executable, *INET_SEARCH]), "serve", str(index)])


def read_json(path: Path) -> dict:
    """Read a JSON file."""
    return json.loads(path.read_text())


def first_query(datasets: Path) -> tuple[Path, list[int], Path]:
    """Image, box (x1 y1 x2 y2) and gallery folder of the first query of the scenes' protocol."""
    from inet_d2.data.datasets.cuhk_sysu import load_cuhk_sysu_protocol

    root = datasets / "CUHK-SYSU"
    protocol = load_cuhk_sysu_protocol(root, 50)
    gallery = root / "Image" / "SSM"
    return gallery / str(protocol.query_names[0]), [int(x) for x in protocol.query_boxes[0]], gallery


def table(results: dict) -> str:
    """The demo's figures as text."""
    search, detection = results["search"], results["detection"]
    colour, untrained = results["baselines"]["mean_colour_gt_boxes"], results["baselines"]["untrained_gt_boxes"]
    rows = [
        ("search, gallery 50", search),
        ("  initialized model", results["initialized"]),
        ("  mean colour, annotated boxes", colour),
        ("  untrained, annotated boxes", untrained),
    ]
    head = f"{'':34}{'mAP':>8}{'top-1':>8}{'top-5':>8}{'top-10':>8}"
    lines = [head, "-" * len(head)]
    for name, figures in rows:
        lines.append(f"{name:34}" + "".join(f"{figures[k]:8.1f}" for k in ("mAP", "top1", "top5", "top10")))
    lines.append(f"{'detection':34}{'AP':>8}{detection['AP']:8.1f}{'recall':>8}{detection['recall']:8.1f}")
    lines.append(f"{'box AP (COCO)':34}{'AP':>8}{results['bbox']['AP']:8.1f}{'AP50':>8}{results['bbox']['AP50']:8.1f}")
    return "\n" + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
