"""A CA key in a TPM, by tpm2-pkcs11: named as ``p11tool`` prints it, and signing on after the stack below restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sshjit.errors import Failed
from sshjit_ca.keys import references
from sshjit_ca.keys.locations import KeyLocations
from sshjit_ca.keys.tokens import TokenKey
from tests.support import tpm
from tests.support.tpm import PIN, Tpm


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Tpm]:
    """A TPM, to which this process is led."""
    with tpm.tpm(tmp_path) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made


def test_a_key_named_by_p11tool_signs_on_after_the_resource_manager_restarted(device: Tpm) -> None:
    pin = device.folder / "pin"
    pin.write_text(PIN)
    pin.chmod(0o600)
    words = ["p11tool", "--provider", str(tpm.module()), "--login", "--list-privkeys", "--only-urls"]
    (printed,) = device.run(*words, "pkcs11:token=ca").split()
    assert "manufacturer=" in printed
    reference = references.parse(f"{printed}?module-path={tpm.module()}&pin-source={pin}")
    assert isinstance(reference, references.Token)
    key = TokenKey(reference, KeyLocations())
    key.sign(b"before")

    device.stop_manager()
    for _ in range(2):
        with pytest.raises(Failed, match="does not sign"):
            key.sign(b"meanwhile")
    device.start_manager()
    assert key.sign(b"afterwards"), "which is checked by the public half"
