"""What a connection loads of the vocabulary: the modules of ``sshjit.api`` that it needs, and no more."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "needed"),
    [("run", {"views", "session"}), ("connection", {"views", "session", "ask", "message", "action_signature"})],
)
def test_a_connection_loads_what_it_needs_and_no_more(module: str, needed: set[str]) -> None:
    code = f"import sys, sshjit_client.{module}; print(*(name for name in sys.modules if name.startswith('sshjit.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.startswith("sshjit.api.")} == {f"sshjit.api.{name}" for name in needed}
    assert not [name for name in loaded if name.startswith("sshjit.ca_protocol")]
