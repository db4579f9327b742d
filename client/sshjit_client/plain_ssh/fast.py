"""What the written ssh configuration runs before each connection: ``fast.py FOLDER ensure NAME ACCOUNT``.

It ends with 0 if the certificate for this name and account lives. If not, the whole client takes its place. It runs
before every ``ssh``, ``git fetch`` and ``scp``, by an interpreter that loads nothing by itself (``-IS``): so this file
is not written like the others. It imports only what the interpreter has anyway, and belongs to no package while it
runs. ``certificates.py`` writes the lines that it reads, and must use the same names.
"""

# ruff: noqa: PTH118, PTH119, PTH120, PTH123, S606  # importing pathlib costs more than everything here
import os
import sys
import time

GUARD = "SSH_JIT_INSIDE"  # set where ssh-jit itself runs ssh: what that runs must not start ssh-jit again
SPARE = 5  # seconds that a certificate must still live, so that there is time to connect


def lives(folder: str, name: str, account: str) -> bool:
    """Whether the folder is ours alone, and the certificate lives. Raises ``OSError``, ``ValueError``."""
    status = os.lstat(folder)
    if os.name != "nt" and (status.st_mode & 0o170077 != 0o040000 or status.st_uid != os.getuid()):
        return False
    with open(os.path.join(folder, name + ".live"), encoding="utf-8") as lines:
        words = [line.split() for line in lines]
    return any(word == [account, word[-1]] and int(word[1]) > time.time() + SPARE for word in words)


def main() -> int:
    """Returns the exit code, unless the process became the client."""
    if GUARD in os.environ:
        return 1
    folder, command, name, account = ([*sys.argv[1:], "", "", "", ""])[:4]
    try:
        if "/" not in name and lives(folder, name, account or "-"):
            return 0
    except (OSError, ValueError, IndexError):
        pass
    # where the folder was when the line was written, for a session that the system gave no such variable
    os.environ.setdefault("XDG_RUNTIME_DIR", folder.partition("/ssh-jit/")[0])
    installation = os.path.basename(os.path.dirname(os.path.dirname(folder)))  # …/NAME/current/plain
    client = [sys.executable, "-P", "-m", "sshjit_client", command, "--installation", installation, "--quiet"]
    client += ["--", name]
    os.execv(sys.executable, client + [account] * bool(account))
    return 0


if __name__ == "__main__":
    sys.exit(main())
