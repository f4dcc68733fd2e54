"""Draw a data set of street scenes in the layout of CUHK-SYSU, PRW or MARS. See --help and datasets/README.md."""

from __future__ import annotations

import argparse
import logging
import sys

from inet_d2.command_line import exit_status
from inet_d2.scenes import PRESETS, make_scenes
from inet_d2.scenes.generate import LAYOUTS
from inet_d2.scenes.tracklets import TRACKLET_PRESETS, make_tracklets

EXAMPLES = """examples:
  python datasets/make_scenes.py --preset demo --output datasets/scenes
  python datasets/make_scenes.py --preset demo --seed 7 --hard 0.8 --output datasets/harder
  python datasets/make_scenes.py --preset street --layout prw --output datasets/scenes
  python datasets/make_scenes.py --tracklets --preset tiny --output datasets/scenes
  python datasets/make_scenes.py --preset paper --frames 2000 1000 --ids 900 400 --output datasets/load

then:
  DETECTRON2_DATASETS=datasets/scenes python train_net.py --config-file ...
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Draw street scenes with people that recur, in the on-disk layout of CUHK-SYSU or PRW.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sizes = ", ".join(
        f"{name}: {p.train.frames} + {p.test.frames} frames of {p.width}x{p.height}, "
        f"{p.train.ids} + {p.test.ids} identities"
        for name, p in PRESETS.items()
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="demo", help=f"{sizes} (default: demo)")
    parser.add_argument("--output", required=True, metavar="DIR", help="DIR/CUHK-SYSU is made, or DIR/PRW")
    parser.add_argument(
        "--layout",
        choices=list(LAYOUTS),
        default="cuhk_sysu",
        help="files as in this data set; prw, for search across cameras, takes --preset street",
    )
    parser.add_argument(
        "--tracklets",
        action="store_true",
        help=f"DIR/MARS instead: people who walk past cameras, as crops (--preset {', '.join(TRACKLET_PRESETS)})",
    )
    parser.add_argument("--seed", type=int, default=0, help="other people and scenes (default: 0)")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one for each usable core")
    parser.add_argument("--frames", type=int, nargs=2, metavar=("TRAIN", "TEST"), help="instead of the preset's")
    parser.add_argument("--ids", type=int, nargs=2, metavar=("TRAIN", "TEST"), help="instead of the preset's")
    parser.add_argument("--hard", type=float, help="strength of light and colour changes, 0 to 2 (default: 0.3)")
    parser.add_argument("--force", action="store_true", help="make generated scenes again that are there")
    return parser.parse_args(argv)


def make(args: argparse.Namespace) -> None:
    """Make what the arguments ask for.

    Raises:
        FileExistsError, ValueError: they do not fit, or something else is in the way.
    """
    if args.tracklets:
        of_scenes = {"--frames": args.frames, "--ids": args.ids, "--hard": args.hard, "--processes": args.processes}
        given = [name for name, value in of_scenes.items() if value is not None]
        if given or args.layout != "cuhk_sysu":
            raise ValueError(f"{', '.join(given) or '--layout'}: expected none with --tracklets; leave it out")
        make_tracklets(args.output, args.preset, seed=args.seed, force=args.force)
        return
    make_scenes(
        args.output,
        args.preset,
        seed=args.seed,
        processes=args.processes,
        force=args.force,
        frames=args.frames and tuple(args.frames),
        ids=args.ids and tuple(args.ids),
        hard=args.hard,
        layout=args.layout,
    )


def main(argv: list[str] | None = None) -> int:
    """Make the scenes; 0 when they are there, 2 when the arguments do not fit."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    return exit_status("make_scenes", lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
