"""``python -m demo.lab``: starts the lab, prints one line of JSON, and stays until it is told to end."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from types import FrameType

from demo import debian
from demo.lab import Lab, LabError


class Told(BaseException):
    """Somebody asked the lab to end."""


def told(number: int, frame: FrameType | None) -> None:
    """Ends whatever is being done, so that the lab can clean up."""
    del frame
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # being told twice must not stop the cleaning
    raise Told(number)


def main() -> int:
    """Runs a lab. Exit code 0 when it was told to end, 1 when it did not come up."""
    text = "Start identity providers, CA, front end and two hosts, print one line of JSON, and stay until Ctrl-C."
    argparse.ArgumentParser(prog="python -m demo.lab", description=text).parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, told)
    try:
        with Lab.start() as lab:
            print(json.dumps(lab.as_json()), flush=True)
            while True:
                signal.pause()
    except Told:
        return 0
    except (LabError, debian.NotFetched) as error:
        print(f"demo.lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
