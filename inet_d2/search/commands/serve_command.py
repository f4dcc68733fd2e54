"""`inet-search serve`: the search page."""

import argparse
from typing import Any

from inet_d2.search.build_embedder import embedder_of
from inet_d2.search.commands.exit_codes import DONE
from inet_d2.search.commands.parsers import add_command
from inet_d2.search.store import open_store

EXAMPLES = """  On this machine only; open the address that it prints:
    inet-search serve street.index
  For others in the network, who then can search without a password, under the name that they type:
    inet-search serve street.index --host 0.0.0.0 --allow-host camera-pc:8000
"""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_parsers(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "serve", "open a page to search with pictures", EXAMPLES)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default 127.0.0.1, this machine only"
    )
    parser.add_argument("--port", type=int, default=8000, help="default 8000")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME:PORT", help="also serve this name")
    parser.add_argument("--weights", metavar="W", help="where the index's checkpoint is now")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    try:
        import uvicorn

        from inet_d2.search.page_search import PageSearch
        from inet_d2.search.server import make_app
    except ImportError as error:
        raise ValueError("the page needs Starlette and uvicorn: pip install starlette uvicorn") from error
    if not 0 < args.port < 65536:
        raise ValueError(f"--port: expected 1 to 65535, found {args.port}")
    with open_store(args.index, read_only=True) as store:
        app = make_app(PageSearch(store, embedder_of(store, weights=args.weights), args.index), served_hosts(args))
        print(f"http://{_bracketed(args.host)}:{args.port}  (Ctrl-C ends it)", flush=True)
        if args.host not in LOOPBACK:
            print("Everybody who reaches this address can search the index and see its pictures; there is no password.")
        uvicorn.run(app, host=args.host, port=args.port, log_level="warning", server_header=False)
    return DONE


def served_hosts(args: argparse.Namespace) -> list[str]:
    """Values of the Host header that are served."""
    names = [args.host, *LOOPBACK]
    return [*(f"{_bracketed(name)}:{args.port}" for name in names), *args.allow_host]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
