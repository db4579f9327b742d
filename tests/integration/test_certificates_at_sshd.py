"""Every line of the table of certificates, judged by a real sshd; and the page that shows the table."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sshjit import sshcert
from sshjit.errors import SshJitError
from tests.support import certificate_page
from tests.support.certificate_cases import CASES, Case
from tests.support.certificate_refusals import REFUSALS, Refusal
from tests.support.certificate_shop import CEILING, PRINCIPAL, Shop
from tests.support.judge import Judge, judge


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The CA's keys."""
    return Shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def sshd(shop: Shop) -> Iterator[Judge]:
    """One server for the whole table."""
    with judge(shop.doors(), PRINCIPAL) as running:
        yield running


def _name(line: Case | Refusal) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", line.offered if isinstance(line, Case) else line.asked).strip("-").lower()


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_sshd(shop: Shop, sshd: Judge, case: Case) -> None:
    outcome = sshd.hear(case.offer(shop), case.door, case.act)
    assert outcome.accepted == (case.sshd == "accepts"), outcome.log
    assert re.search(case.log, outcome.log), outcome.log
    assert case.output is None or outcome.output == case.output


@pytest.mark.parametrize("refusal", REFUSALS, ids=_name)
def test_our_ca_refuses(shop: Shop, refusal: Refusal) -> None:
    with pytest.raises(SshJitError) as error:
        refusal.ask(shop)
    assert error.value.code == refusal.code


def test_t4_nothing_that_we_issue_lives_longer_than_the_ceiling(shop: Shop) -> None:
    for asked in (1, 300, CEILING, CEILING + 1, 86400, 2**40):
        certificate, _, _ = sshcert.parse_blob(shop.issue(lifetime=asked, grant_ends=2**60, login_ends=2**60).blob)
        assert certificate.valid_after == shop.now - 60
        assert certificate.valid_before == shop.now + min(asked, CEILING)


def test_the_table_is_what_was_promised() -> None:
    assert len({case.offered for case in CASES}) == len(CASES) >= 40
    assert len({refusal.asked for refusal in REFUSALS}) == len(REFUSALS)
    assert {case.sshd for case in CASES} == {"accepts", "refuses"}


def test_the_page_shows_the_table() -> None:
    assert certificate_page.PLACE.read_text() == certificate_page.page(), "python -m tests.support.certificate_page"
