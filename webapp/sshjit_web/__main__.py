"""``ssh-jit-web serve``: the front end's command line. The environment is read here and in ``serve.py`` only."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sshjit.errors import SshJitError
from sshjit_web import serve
from sshjit_web.config import explain


def main() -> int:
    """Runs the command and returns its exit code: 0, or 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="ssh-jit-web", description="The front end of ssh-jit: pages and API.")
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve until told to stop")
    serving.add_argument("--config", type=Path, help=f"web.toml; else ${serve.CONFIG_VARIABLE}")
    arguments = parser.parse_args()
    path = arguments.config or os.environ.get(serve.CONFIG_VARIABLE)
    if not path:
        parser.error(f"no configuration: give --config or set {serve.CONFIG_VARIABLE}")
    try:
        serve.run(Path(path))
    except SshJitError as error:
        print(explain(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
