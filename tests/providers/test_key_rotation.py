"""A provider changes its signing keys while people are signed in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from sshjit import ca_protocol as m
from sshjit.errors import Invalid
from sshjit_ca.oidc import provider_keys
from tests.providers.providers import Walker, World, canaille, free_port, oidc_provider, world


def a_key(kid: str) -> dict[str, Any]:
    return dict(RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}).as_dict(private=True))


def test_t15_keys_change_with_an_overlap_and_nobody_is_signed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old alone, new beside old, new alone; one front end and one CA all the time, with what they remember."""
    old, new, port = a_key("old"), a_key("new"), free_port()
    with world(tmp_path, f"http://127.0.0.1:{port}", 'algorithms = ["RS256"]') as here:
        party = here.party()
        with oidc_provider(tmp_path, port, conform=False, keys=[old]):
            logins = [here.web(Walker(), party=party), here.native(Walker())]
            late, too_late = (here.web_message(Walker(), party=party) for _ in range(2))
        with oidc_provider(tmp_path, port, conform=False, keys=[new, old]):
            logins += [here.web(Walker(), party=party), here.native(Walker())]
            assert [key["kid"] for key in published(here)] == ["new", "old"], "it was asked again for the new one"
            logins.append(here.ca.say(late, m.LoginReply).login)
        with oidc_provider(tmp_path, port, conform=False, keys=[new]):
            monkeypatch.setattr(provider_keys, "LIFETIME", 0)
            with pytest.raises(Invalid) as gone:
                here.ca.say(too_late, m.LoginReply)
            assert gone.value.code == "unknown_key"
            logins.append(here.web(Walker(), party=party))
        assert all(here.alive(login) for login in logins)


def test_t15_a_key_that_is_replaced_at_once_ends_with_the_first_token_of_the_next(tmp_path: Path) -> None:
    """Canaille makes a new key at each start, where none is configured."""
    port, native_port = free_port(), free_port()
    native = f", redirect_ports = [{native_port}]"
    with world(tmp_path, f"http://127.0.0.1:{port}", 'algorithms = ["RS512"]', native=native) as here:
        party = here.party()
        with canaille(tmp_path, port, native_port):
            logins, late = [here.web(Walker(), party=party)], here.web_message(Walker(), party=party)
        with canaille(tmp_path, port, native_port):
            logins += [here.web(Walker(), party=party), here.native(Walker())]
            with pytest.raises(Invalid) as gone:
                here.ca.say(late, m.LoginReply)
            assert gone.value.code == "unknown_key"
        assert all(here.alive(login) for login in logins)


def published(here: World) -> tuple[dict[str, Any], ...]:
    known = here.ca.context.published["acme"].published
    assert known is not None
    return known.keys
