"""Draw the queries and galleries of a data set from its identities and keep them in a file.

Examples:
    python tools/make_protocol.py --config-file shop.yaml --dataset shop_test --output shop/protocol.npz
    python tools/make_protocol.py --config-file shop.yaml --dataset shop_test --output shop/protocol.npz \
        --gallery-size 50 100 all --seed 1 --queries-per-person 2 --time-gap 50 --cross-camera

Without options the rule is that of the data set in the configuration. To use the file, name it there as PROTOCOL, see
docs/own_data.md. Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from detectron2.data import MetadataCatalog

from inet_d2.command_line import exit_status
from inet_d2.data.datasets import ProtocolRule, SearchProtocol, load_annotations, make_protocol
from inet_d2.data.datasets.protocol_file import write_protocol_file
from inet_d2.engine import load_config


def gallery_size(text: str) -> int:
    """A gallery size from the command line; ``all`` is 0."""
    if text != "all" and not (text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a number of images, or all, found {text!r}")
    return 0 if text == "all" else int(text)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", required=True, help="a registered split with identities")
    add("--output", required=True, type=Path, help="write the protocol here (.npz)")
    add("--config-file", default="", help="its DATASETS.OWN or EXTENSIONS registers your own data set")
    add("--gallery-size", nargs="+", type=gallery_size, default=[100, 0], help="e.g. 50 100 all (default: 100 all)")
    add("--seed", type=int, help="another one draws others")
    add("--queries-per-person", type=int, metavar="N", help="at most so many boxes of each person are queries")
    add("--time-gap", type=int, metavar="FRAMES", help="nearer frames of the query's sequence are left out")
    add(
        "--cross-camera",
        action=argparse.BooleanOptionalAction,
        help="leave the query's camera out (default: where somebody is seen by two)",
    )
    return parser.parse_args(arguments)


def draw(options: argparse.Namespace) -> dict[int, SearchProtocol]:
    """The protocols by gallery size, as the data set's rule and the options have it."""
    records = load_annotations(options.dataset)
    rule = asdict(MetadataCatalog.get(options.dataset).get("protocol_rule", None) or ProtocolRule())
    given = {field.name: getattr(options, field.name) for field in fields(ProtocolRule)}
    rule |= {name: value for name, value in given.items() if value is not None}
    sizes = dict.fromkeys(options.gallery_size)
    return {size: make_protocol(options.dataset, records, size, ProtocolRule(**rule)) for size in sizes}


def format_protocols(protocols: Mapping[int, SearchProtocol]) -> str:
    """What the galleries hold, as a Markdown table."""
    lines = [
        "| gallery | queries | images: least, median | with the person: least, median, most |",
        "| ------- | ------: | --------------------: | -----------------------------------: |",
    ]
    for size, protocol in protocols.items():
        images, shown = np.diff(protocol.entry_offsets), protocol.num_ground_truths
        held = f"{images.min()}, {np.median(images):g}"
        people = f"{shown.min()}, {np.median(shown):g}, {shown.max()}"
        lines.append(f"| {size or 'all':<7} | {protocol.num_queries:>7} | {held:>21} | {people:>36} |")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Draw, write and print.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    if options.output.suffix != ".npz" or not options.output.absolute().parent.is_dir():
        raise ValueError(f"--output: expected an .npz file in an existing folder, found {options.output}")
    if options.config_file:
        load_config(options.config_file)
    protocols = draw(options)
    write_protocol_file(options.output, protocols)
    print(format_protocols(protocols))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status("make_protocol", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
