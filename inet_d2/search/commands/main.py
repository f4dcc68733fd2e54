"""Search one person in your own images and videos: index once, then ask."""

import argparse
import logging
import sys

from inet_d2.command_line import exit_status
from inet_d2.search.commands import calibrate_command, index_command, query_command, serve_command, store_commands

COMMANDS = (index_command, query_command, serve_command, calibrate_command, store_commands)
EXAMPLES = """
An INDEX is a file, or the address of a Milvus server. Each command has examples of its own: inet-search index --help

Examples:
  inet-search index photos/ cameras/ --to street.index --config-file configs/CUHK-SYSU/inet_vgg16.yaml
  inet-search query street.index --image somebody.jpg --sheet answer.png
  inet-search info street.index

Exit codes: 0; 1 some files could not be read, or the person was not found; 2 input that cannot be used.
"""


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="inet-search",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parsers(commands)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: command line without the program's name; default ``sys.argv``.

    Returns:
        Exit code; with 2, one sentence was written to standard error.
    """
    args = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    codes = []
    try:
        return exit_status(f"inet-search {args.command}", lambda: codes.append(args.run(args))) or codes[0]
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; run the same command again to go on\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
