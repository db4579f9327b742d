"""``ssh-jit-ca``: the operator's command. Environment and exit codes are met here and nowhere else."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from sshjit.errors import FAMILIES, SshJitError

EXIT = {"invalid": 2, "refused": 4, "failed": 1}
"""Exit codes by the family of the error."""
assert EXIT.keys() == FAMILIES.keys()  # noqa: S101 - one code for each family


def main() -> int:
    """Runs the command line."""
    try:
        gc.disable()  # all that is loaded stays: to look through it for garbage would take a twelfth of the time
        # Here and not above, so that Ctrl-C while they are loaded ends as quietly as later.
        from sshjit_ca.cli import commands as cli  # noqa: PLC0415
        from sshjit_ca.config import DEFAULT_PATH  # noqa: PLC0415
        from sshjit_ca.keys.locations import KeyLocations  # noqa: PLC0415

        gc.enable()
        default = Path(os.environ.get("SSH_JIT_CA_CONFIG", DEFAULT_PATH))
        code = cli.run(sys.argv[1:], default, os.environ.pop("NOTIFY_SOCKET", ""), KeyLocations.of(os.environ))
        if sys.stdout is not None:
            sys.stdout.flush()  # what did not arrive was not said: a full disk must not look like an empty log
    except SshJitError as error:
        print(f"ssh-jit-ca: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return EXIT[error.family]
    except BrokenPipeError:
        _say_no_more()
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"ssh-jit-ca: {where}{error.strerror or error}", file=sys.stderr)
        _say_no_more()
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _say_no_more() -> None:
    """Drops what is left to print: the interpreter would try again on its way out, and complain."""
    if sys.stdout is not None:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a device, for its descriptor
            os.dup2(nothing.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
