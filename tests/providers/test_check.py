"""``ssh-jit-web check`` at providers that nobody here wrote: what it finds when one thing is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sshjit.provider_check import Finding
from sshjit.providers import Provider
from sshjit_web import check_command
from tests.providers.providers import ORIGIN, SECRET, World


def found(world: World, secret: str = SECRET, **changes: Any) -> list[Finding]:
    provider: Provider = replace(world.provider, **changes)
    return list(check_command.check(provider, f"{ORIGIN}/auth/acme/callback", secret, None))


def bad(findings: list[Finding]) -> list[str]:
    return [finding.text for finding in findings if finding.level == "bad"]


def test_a_provider_that_is_set_up_well_has_nothing_bad(in_token: World, exact: World) -> None:
    for one in (in_token, exact):
        findings = found(one)
        assert bad(findings) == []
        assert [finding.level for finding in findings].count("warning") == 1, "the secret has a plus"
        for kind in ("web: client id and secret", "web: client id, http", "native: client id, http"):
            assert any(kind in finding.text for finding in findings), findings


def test_each_fault_is_named(in_token: World, exact: World) -> None:
    provider = in_token.provider
    assert "refused our client id or secret" in bad(found(in_token, secret="wrong"))[0]
    assert "no key of it fits algorithms = ES256" in bad(found(in_token, algorithms=("ES256",)))[0]
    other = replace(provider.web, client_id="unknown")
    assert any("refused the client 'unknown'" in text for text in bad(found(in_token, web=other)))
    strict = replace(exact.provider.native, redirect_ports=(), client_id=exact.provider.native.client_id)
    assert any("native: it refused the client" in text for text in bad(found(exact, native=strict)))
    assert "the issuer is set to" in bad(found(in_token, issuer=f"{provider.issuer}/"))[0]


def test_the_command_says_it_and_exits_1(in_token: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_text("wrong")
    (tmp_path / "secret").chmod(0o600)
    text = (in_token.ca.home / "providers.toml").read_text().replace("/dev/null", str(tmp_path / "secret"))
    (tmp_path / "providers.toml").write_text(text)
    web = tmp_path / "web.toml"
    web.write_text(
        'version = 1\naddress = "127.0.0.1"\nport = 8099\npublic_url = "http://127.0.0.1:8099"\nca_socket = "x"\n'
        'database = "sqlite://"\nproviders = "providers.toml"\nsession_key_file = "key"\nunsafe_http = true\n'
    )
    assert check_command.run(web) == 1
    printed = capsys.readouterr().out
    assert "bad      acme: web: Acme refused our client id or secret" in printed
    assert "ok       acme: native: client id, http://127.0.0.1:" in printed
    assert "hint: " in printed
