r"""Draw what trainings logged in metrics.json: losses, rates, what the identity branch says of itself.

Examples:
    python tools/plot_metrics.py output/demo/inet --output losses.png
    python tools/plot_metrics.py output/demo/inet output/demo/inet_olp --labels I-Net OLP --smooth 5 \
        --keys total_loss loss_olp 'reid/*' --output compared.png
    python tools/plot_metrics.py output/demo/inet --list

Without --keys, every loss is drawn. A pattern may hold * and ?. Values in metrics.json are medians over the last 20
iterations already; --smooth takes means of that many neighbouring values of the file on top.
Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from inet_d2.command_line import distinct_parts, exit_status
from inet_d2.engine.metrics_file import read_metrics
from inet_d2.visualization.figure import check_figure_path, save_figure
from inet_d2.visualization.training_plot import Curve, draw_training_curves

DEFAULT_KEYS = ("total_loss", "*loss*")


def choose_panels(runs: Mapping[str, Mapping[str, Curve]], patterns: Sequence[str]) -> dict[str, dict[str, Curve]]:
    """The scalars that match a pattern, in the order of the patterns, with the runs that have them.

    Raises:
        ValueError: no run has a scalar that matches a pattern.
    """
    known = sorted({name for curves in runs.values() for name in curves})
    chosen: dict[str, dict[str, Curve]] = {}
    for pattern in patterns:
        matches = [name for name in known if fnmatchcase(name, pattern)]
        if not matches:
            raise ValueError(f"--keys {pattern}: expected one of {', '.join(known)}, found none of them")
        for name in matches:
            chosen[name] = {run: curves[name] for run, curves in runs.items() if name in curves}
    return chosen


def run(options: argparse.Namespace) -> None:
    """Read, draw and write.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    if options.output:
        check_figure_path(options.output)
    names = options.labels or distinct_parts(options.runs)
    if len(names) != len(options.runs) or len(set(names)) < len(names):
        raise ValueError(f"--labels: expected {len(options.runs)} different names, one for each run, found {names}")
    runs = {name: read_metrics(path) for name, path in zip(names, options.runs, strict=True)}
    if options.list:
        print("\n".join(sorted({key for curves in runs.values() for key in curves})))
    if options.output:
        panels = choose_panels(runs, options.keys)
        save_figure(draw_training_curves(panels, window=options.smooth), options.output)
        print(f"{options.output}: {len(panels)} scalars of {len(runs)} runs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a metrics.json, or the OUTPUT_DIR with one")
    parser.add_argument("--output", type=Path, metavar="FILE", help="draw here: .png, .pdf or .svg")
    parser.add_argument("--keys", nargs="+", default=DEFAULT_KEYS, metavar="KEY", help="names or patterns of scalars")
    parser.add_argument("--smooth", type=int, default=1, metavar="N", help="mean over N values (default: 1, as logged)")
    parser.add_argument("--labels", nargs="+", metavar="NAME", help="of the runs (default: what differs in the paths)")
    parser.add_argument("--list", action="store_true", help="print the names of all scalars")
    options = parser.parse_args(arguments)
    if not options.output and not options.list:
        parser.error("--output or --list: expected one of them, found none")
    return exit_status("plot_metrics", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
