"""Every line of the table of certificates, judged by a real sshd; and the page that shows the table."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sshjit import sshcert
from sshjit.errors import SshJitError
from tests.support import certificate_page
from tests.support.certificate_cases import CASES, Case
from tests.support.certificate_maker import CEILING, PRINCIPAL, CertificateMaker
from tests.support.certificate_refusals import REFUSALS, Refusal
from tests.support.sshd_oracle import SshdOracle, running_sshd


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> CertificateMaker:
    """The CA's keys."""
    return CertificateMaker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="module")
def sshd(maker: CertificateMaker) -> Iterator[SshdOracle]:
    """One server for the whole table."""
    with running_sshd(maker.trusted_by_port(), PRINCIPAL) as running:
        yield running


def _name(line: Case | Refusal) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", line.offered if isinstance(line, Case) else line.asked).strip("-").lower()


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_sshd(maker: CertificateMaker, sshd: SshdOracle, case: Case) -> None:
    outcome = sshd.hear(case.offer(maker), case.port, case.act)
    assert outcome.accepted == (case.sshd == "accepts"), outcome.log
    assert re.search(case.log, outcome.log), outcome.log
    assert case.output is None or outcome.output == case.output


@pytest.mark.parametrize("refusal", REFUSALS, ids=_name)
def test_our_ca_refuses(maker: CertificateMaker, refusal: Refusal) -> None:
    with pytest.raises(SshJitError) as error:
        refusal.ask(maker)
    assert error.value.code == refusal.code


def test_t4_nothing_that_we_issue_lives_longer_than_the_ceiling(maker: CertificateMaker) -> None:
    for asked in (1, 300, CEILING, CEILING + 1, 86400, 2**40):
        certificate, _, _ = sshcert.parse_blob(maker.issue(lifetime=asked, grant_ends=2**60, login_ends=2**60).blob)
        assert certificate.valid_after == maker.now - 60
        assert certificate.valid_before == maker.now + min(asked, CEILING)


def test_the_table_is_what_was_promised() -> None:
    assert len({case.offered for case in CASES}) == len(CASES) >= 40
    assert len({refusal.asked for refusal in REFUSALS}) == len(REFUSALS)
    assert {case.sshd for case in CASES} == {"accepts", "refuses"}


def test_the_page_shows_the_table() -> None:
    assert certificate_page.PLACE.read_text() == certificate_page.page(), "python -m tests.support.certificate_page"
