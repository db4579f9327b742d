"""``sshjit.messages`` loads its modules when they are needed, and every name is found in one of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sshjit import messages


@pytest.mark.parametrize("name", messages.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(messages, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        getattr(messages, "Nothing")  # noqa: B009 - mypy knows that it is not there
    with pytest.raises(ImportError):
        exec("from sshjit.messages import Nothing")  # noqa: S102


def test_a_connection_loads_what_it_needs_and_no_more() -> None:
    code = "import sys, sshjit_client.run; print(*(name for name in sys.modules if 'sshjit.messages.' in name))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = {name.rpartition(".")[2] for name in said.split()}
    assert "standing" in loaded
    assert not loaded & {"table", "access", "consent", "operating", "people", "hosts"}
