"""Which strings may be a name: an allow-list, and nothing is repaired on the way."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sshjit import names
from sshjit.errors import Invalid
from sshjit.terminal_text import inert
from sshjit_web.escape_controls import escape_controls
from tests.unit.sshjit.core_world import attempt, quick

CHECKS: list[Callable[[str], str]] = [
    names.host_name,
    names.host_alias,
    names.host_id,
    names.login_name,
    names.provider_id,
    names.identifier,
    names.address,
    names.network,
    names.url,
    names.command,
    lambda text: names.principal(text, "web1"),
    lambda text: names.principal("deploy", text),
    lambda text: names.label(text, "prod")[0],
    lambda text: names.label("env", text)[1],
]
HOSTILE = ["", "\n", "\0", "a\n", "a\0", "\N{CYRILLIC SMALL LETTER A}", "\N{FULLWIDTH LATIN SMALL LETTER A}",
           "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\u2028b", "a\r", "a\x1b[2J", "a" * 3000,
           "\N{ARABIC-INDIC DIGIT ONE}"]  # fmt: skip
NEVER_IN_A_NAME = [" ", "a b", "a,root", ",", "-oProxyCommand=x", "-a", "a;b", "a|b", "$(id)", "`id`", "a'b",
                   'a"b', "a\\b", "*", "*.example.com", "web?", "!web1", "a/b", "../a", "a@b@c", "@"]  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_t2_t51_nothing_hostile_passes_any_check(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(text)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("check", [each for each in CHECKS if each is not names.command])
@pytest.mark.parametrize("text", NEVER_IN_A_NAME)
def test_t2_t40_t51_no_name_is_more_than_a_name(check: Callable[[str], str], text: str) -> None:
    with pytest.raises(Invalid):
        check(text)


@quick
@given(st.sampled_from(CHECKS), st.text() | st.from_regex(r"[a-z0-9:.~@/\[\]%-]{1,20}", fullmatch=True))
def test_a_check_gives_back_its_argument_or_refuses(check: Callable[[str], str], text: str) -> None:
    found = attempt(check, text)
    if not isinstance(found, Invalid):
        assert text in found
        assert re.fullmatch(r"[ -~]+", found)


@quick
@given(st.text(max_size=40), st.text(max_size=40))
def test_t2_a_principal_has_one_login_and_one_host(login: str, host: str) -> None:
    found = attempt(names.principal, login, host)
    if not isinstance(found, Invalid):
        assert found.split("@") == [names.login_name(login), names.host_id(host)]


@pytest.mark.parametrize(("login", "host"), [("", "web1"), ("deploy", ""), ("a@b", "c"), ("a", "b@c"), ("a,b", "c")])
def test_t1_t2_half_a_principal_or_two_are_none(login: str, host: str) -> None:
    with pytest.raises(Invalid):
        names.principal(login, host)


def test_the_longest_login_and_the_longest_host_make_a_principal() -> None:
    longest = ".".join(["a" * 62] * 4) + ".b"
    assert names.host_name(longest) == names.address(longest) == longest
    assert names.host_id(longest + "~9") == longest + "~9"
    login = "a" * 32 + "$"
    assert names.principal(login, longest + "~9") == f"{login}@{longest}~9"
    for refused in (names.host_name, names.address, lambda text: names.principal(login, text + "~9")):
        with pytest.raises(Invalid):
            refused(longest + "b")


@pytest.mark.parametrize("text", ["web1", "a", "0", "web-1.example.com", "x--y", "a" * 63])
def test_host_names(text: str) -> None:
    assert names.host_name(text) == names.host_alias(text) == names.address(text) == text


@pytest.mark.parametrize("text", ["10.0.0.1", "2001:db8::1"])
def test_an_address_is_an_alias_and_no_name(text: str) -> None:
    assert names.host_alias(text) == names.address(text) == text
    with pytest.raises(Invalid, match="is an address, and a host has a name"):
        names.host_name(text)


@pytest.mark.parametrize(
    "text",
    ["Web1", "web1.", ".web1", "a..b", "-a", "a-", "a_b", "a" * 64, ".".join(["a" * 49] * 6), "2001:DB8::1",
     "fe80::1%eth0", "2001:0db8::1", "::ffff:192.0.2.1", "[::1]", "web1~2", "web1:22"],
)  # fmt: skip
def test_not_host_names(text: str) -> None:
    for check in (names.host_name, names.host_alias, names.address):
        with pytest.raises(Invalid):
            check(text)


@pytest.mark.parametrize("text", ["web1", "web1~2", "web1~10", "web1.example.com~999999"])
def test_t67_a_later_machine_has_its_own_id(text: str) -> None:
    assert names.host_id(text) == text


@pytest.mark.parametrize(
    "text", ["web1~", "web1~0", "web1~1", "web1~02", "web1~2~3", "~2", "web1~1000000", "2001:db8::1"]
)
def test_an_id_has_one_spelling(text: str) -> None:
    with pytest.raises(Invalid):
        names.host_id(text)


@pytest.mark.parametrize("text", ["1a", ".a", "-a", "a" * 33, "a$b", "$", "a$$", "a:b", "ACME\\\\anne", "a@b", "anne "])
def test_not_logins(text: str) -> None:
    with pytest.raises(Invalid, match="is not an account name \\(letters, digits"):
        names.login_name(text)


@pytest.mark.parametrize("text", ["first.last", "Anne", "ANNE_B", "_x", "web1$", "a" * 32 + "$", "a-b", "a..b"])
def test_logins_as_useradd_sssd_and_samba_make_them(text: str) -> None:
    """Nothing is lowered or cut."""
    assert names.login_name(text) == text
    assert names.principal(text, "web1") == f"{text}@web1"


@pytest.mark.parametrize(
    "text", ["https://login.example.com", "https://a/b?c=d#e", "https://[2001:db8::1]:8443/", "https://a:1"]
)
def test_urls(text: str) -> None:
    assert names.url(text) == text


@pytest.mark.parametrize(
    "text",
    ["http://login.example.com", "http://127.0.0.1", "javascript:alert(1)", "file:///etc/passwd", "//a", "a", "https:///a",
     "https://u@a", "https://u:p@a", "https://@a", "https://a@", "https://[v1.x]/", "https://[127.0.0.1]/", "https://[::1",
     "https://[fe80::1%25eth0]/", "https://a:99999/", "https://a:x/", "https://a\\@b/", "https://a b/", "https://-oa/",
     "https://a,b/", "https://a\t/", " https://a", "https://*.a/", "ssh://-oProxyCommand=x/"],
)  # fmt: skip
def test_t51_not_urls(text: str) -> None:
    with pytest.raises(Invalid):
        names.url(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_plain_http_only_where_it_is_asked_for_and_on_loopback(host: str) -> None:
    assert names.url(f"http://{host}:4001/x", plain_http=True)
    with pytest.raises(Invalid):
        names.url(f"http://{host}:4001/x")


@pytest.mark.parametrize(
    "host", ["localhost.example.com", "10.0.0.1", "127.0.0.1.example.com", "0.0.0.0", "127.1", "[::]"]
)
def test_plain_http_never_leaves_the_machine(host: str) -> None:
    with pytest.raises(Invalid):
        names.url(f"http://{host}/", plain_http=True)


@quick
@given(st.ip_addresses() | st.ip_addresses().map(lambda found: ipaddress.ip_network((found, 16), strict=False)))
def test_addresses_and_networks_are_networks(found: object) -> None:
    assert names.network(str(found)) == str(found)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/255.0.0.0", "10.0.0.0/33", "10.0.0.0/8,0.0.0.0/0", "",
    "010.0.0.1", "2001:DB8::/32", "fe80::1%eth0", "!10.0.0.1", "10.0.0.*", "1"])  # fmt: skip
def test_t2_not_networks(text: str) -> None:
    with pytest.raises(Invalid):
        names.network(text)


@pytest.mark.parametrize("number", [-1, 0, 65536])
def test_not_ports(number: int) -> None:
    with pytest.raises(Invalid):
        names.port(number)
    assert [names.port(port) for port in (1, 65535)] == [1, 65535]


@pytest.mark.parametrize(
    "text", ["a\x1b[2J", "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\0", "\ud800", "x" * 501,
     "\u2800" * 12, "\u3164" * 12, "\u115f\uffa0", "fix" + "\u0316" * 5]
)  # fmt: skip
def test_t29_a_reason_is_one_printable_line(text: str) -> None:
    with pytest.raises(Invalid):
        names.free_text(text, "the reason")


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("CHG-7\nadd index\n", "CHG-7 add index"),
        ("CHG-7\r\nadd\tindex", "CHG-7 add index"),
        ("\u3000CHG-7\u00a0add\u2003index\u2028", "CHG-7 add index"),
        ("a  b", "a  b"),
        ("a\x85\u1680\u202f\u205f\v\fb", "a      b"),
    ],
)
def test_pasted_blanks_and_line_ends_become_blanks(pasted: str, kept: str) -> None:
    assert names.free_text(pasted, "the reason") == kept
    assert names.free_text(kept, "the reason") == kept, "so what was signed is what the CA keeps"


JOINED = {
    "Persian": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Persian with a mark": "\u0646\u064e\u200c\u0645",
    "Devanagari": "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937",
    "Bengali": "\u09b0\u200d\u09cd\u09af\u09be\u09ac",
    "Sinhala": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a rainbow": "\U0001f3f3\ufe0f\u200d\U0001f308",
    "a firefighter": "\U0001f469\U0001f3fd\u200d\U0001f692",
    "Wales": "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
    "a Japanese name": "\u845b\U000e0100\u98fe",
}


@pytest.mark.parametrize("text", JOINED.values(), ids=list(JOINED))
def test_joined_letters_and_pictures_are_writing(text: str) -> None:
    assert names.free_text(f"CHG-7 {text} x", "the reason") == f"CHG-7 {text} x"
    assert inert(text) == text
    assert escape_controls(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CHG-20\u200b add", 'ZERO WIDTH SPACE (U+200B) at character 7, after "CHG-20"'),
        ("\ufeffCHG", "ZERO WIDTH NO-BREAK SPACE (U+FEFF) at character 1"),
        ("a\u202eb", 'RIGHT-TO-LEFT OVERRIDE (U+202E) at character 2, after "a"'),
        ("a\u200db", 'ZERO WIDTH JOINER (U+200D) at character 2, after "a"'),
        ("CHG\u200c-7", 'ZERO WIDTH NON-JOINER (U+200C) at character 4, after "CHG"'),
        ("\U0001f468\u200d\u200d\U0001f469", "ZERO WIDTH JOINER (U+200D) at character 2"),
        ("\u0645\u200c x", "ZERO WIDTH NON-JOINER (U+200C) at character 2"),
        ("\u0915" + "\u094d\u200d" * 5 + "\u0937", "DEVANAGARI SIGN VIRAMA (U+094D) at character 10"),
        ("a\ufe0fb", 'VARIATION SELECTOR-16 (U+FE0F) at character 2, after "a"'),
        ("\U0001f600\ufe0f\U000e0155", "VARIATION SELECTOR-102 (U+E0155) at character 3"),
        ("\U0001f3f4\U000e0041", "TAG LATIN CAPITAL LETTER A (U+E0041) at character 2"),
        ("a\x1b[2J", 'a control character (U+001B) at character 2, after "a"'),
        ("a\udcff", 'a byte that is no UTF-8 (U+DCFF) at character 2, after "a"'),
    ],
)
def test_t29_what_nobody_sees_is_refused_by_its_name_and_place(text: str, told: str) -> None:
    with pytest.raises(Invalid) as error:
        names.free_text(text, "the reason")
    assert (error.value.code, told in error.value.message) == ("not_printable", True), error.value.message
    assert inert(error.value.message) == error.value.message, "the message shows nothing invisible itself"
    assert inert(text) != text
    assert escape_controls(text) != text


def test_a_reason_keeps_everything_but_the_blanks_around_it() -> None:
    assert names.free_text("  INC-1: caf\u00e9 <b> \N{SNOWMAN} \n", "it") == "INC-1: caf\u00e9 <b> \N{SNOWMAN}"
    assert len(names.free_text("x" * 500, "it")) == 500
    for word in ("Nguyễn", "ệ́", "שָׁ֑לוֹם", "น้ำ", "हिन्दी", "👩\ufe0f", "1\ufe0f\u20e3", "i" + "\u0307" * 4):
        assert names.free_text(word, "it") == word


def test_t9_a_command_is_one_line_of_ascii() -> None:
    assert names.command("/bin/sh -c 'echo \"$HOME\"'") == "/bin/sh -c 'echo \"$HOME\"'"
    assert len(names.command("x" * 1000)) == 1000
    for text in ("x" * 1001, "a\tb", "caf\u00e9", "\x7f"):
        with pytest.raises(Invalid):
            names.command(text)


@pytest.mark.parametrize("text", ["short", "it's", "x" * 500, "\N{SNOWMAN}" * 50, "\x1b]0;title\x07" * 9])
def test_what_is_shown_in_errors_is_short_printable_ascii(text: str) -> None:
    shown = names.show(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= 64
    assert shown[0] == shown[-1]
