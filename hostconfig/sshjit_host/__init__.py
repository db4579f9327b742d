"""ssh-jit-host: keeps a server's sshd in step with what the bundle key signed.

Standard library alone, Python 3.9 and newer, no import of ``sshjit``: the program is copied to servers as one file and
run by the system's own Python.
"""

from __future__ import annotations
