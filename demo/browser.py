"""A browser without a screen: opens an address as one of the demo's people, and signs in where a provider asks.

It follows redirects with a cookie jar of its own and fills in the sign-in page of the development provider, as its
person would. As a program it is a person's ``$BROWSER``; tests and the story use the class. It speaks to loopback
only, needs nothing but the standard library, and knows nothing about ssh-jit.
"""

from __future__ import annotations

import argparse
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import LoadError, LWPCookieJar
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit

TIMEOUT = 20
"""Seconds that one answer may take."""


class BrowserError(Exception):
    """The page could not be opened, or is not what was expected."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page: ``fields`` are its hidden ones, ``buttons`` its named buttons."""

    action: str
    method: str
    fields: tuple[tuple[str, str], ...]
    buttons: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the browser shows."""

    url: str
    status: int
    text: str
    forms: tuple[Form, ...] = field(default=())


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        pair = (given.get("name", ""), given.get("value", ""))
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower(), (), ()))
        elif self.forms and tag == "input" and given.get("type") == "hidden":
            last = self.forms.pop()
            self.forms.append(Form(last.action, last.method, (*last.fields, pair), last.buttons))
        elif self.forms and tag == "button" and pair[0]:
            last = self.forms.pop()
            self.forms.append(Form(last.action, last.method, last.fields, (*last.buttons, pair)))


class Browser:
    """One person's browser. ``cookies`` is the file that the jar lives in, or ``None`` to forget everything."""

    def __init__(self, person: str, cookies: Path | None = None) -> None:
        self.person, self._file = person, cookies
        self._jar = LWPCookieJar()
        if cookies is not None and cookies.exists():
            try:
                self._jar.load(str(cookies), ignore_discard=True)
            except LoadError as error:
                raise BrowserError(f"{cookies}: {error}") from error
        no_proxy = urllib.request.ProxyHandler({})
        self._opener = urllib.request.build_opener(no_proxy, urllib.request.HTTPCookieProcessor(self._jar))

    def cookie(self, name: str) -> str | None:
        """The value of a cookie, whatever host and path it belongs to."""
        return next((cookie.value for cookie in self._jar if cookie.name == name), None)

    def open(self, url: str, data: list[tuple[str, str]] | None = None, *, origin: str | None = None) -> Page:
        """Fetches ``url``, by POST if there is ``data``, and follows redirects.

        An HTTP error is a page like any other. Raises ``BrowserError`` if there is no answer.
        """
        if urlsplit(url).scheme not in {"http", "https"} or urlsplit(url).hostname not in {
            "127.0.0.1",
            "localhost",
            "::1",
        }:
            raise BrowserError(f"{url}: the scripted browser visits loopback only")
        body = None if data is None else urlencode(data).encode()
        request = urllib.request.Request(url, body)  # noqa: S310 - the scheme was checked above
        if origin is not None:
            request.add_header("Origin", origin)
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                page = _page(answer.url, answer.status, answer.read())
        except urllib.error.HTTPError as error:
            page = _page(error.url or url, error.code, error.read())
        except OSError as error:
            raise BrowserError(f"{url}: {error}") from error
        self._keep_cookies()
        return page

    def submit(self, page: Page, form: Form, **fields: str) -> Page:
        """Sends a form of ``page`` with its hidden fields and with ``fields``."""
        here = urlsplit(page.url)
        target = urljoin(page.url, form.action)
        values = [*form.fields, *fields.items()]
        if form.method != "post":
            return self.open(f"{target}?{urlencode(values)}")
        return self.open(target, values, origin=f"{here.scheme}://{here.netloc}")

    def visit(self, url: str) -> Page:
        """Opens ``url``; where a provider asks who this is, clicks the person's name. Returns where that ends."""
        page = self.open(url)
        button = ("person", self.person)
        for form in page.forms:
            if button in form.buttons:
                return self.submit(page, form, person=self.person)
        return page

    def _keep_cookies(self) -> None:
        if self._file is not None:
            draft = self._file.with_suffix(".new")
            self._jar.save(str(draft), ignore_discard=True)
            draft.chmod(0o600)
            draft.replace(self._file)


def _page(url: str, status: int, body: bytes) -> Page:
    text = body.decode("utf-8", "replace")
    forms = _Forms()
    forms.feed(text)
    return Page(url, status, text, tuple(forms.forms))


def script(python: str, person: str, cookies: Path) -> str:
    """The text of an executable for ``$BROWSER``: one argument, the address."""
    here = Path(__file__).resolve()
    return f"#!/bin/sh\nexec '{python}' -IS '{here}' --person '{person}' --cookies '{cookies}' \"$@\"\n"


def main() -> int:
    """Opens one address, silently. Exit 1, and a line on stderr, if that does not end in a good page."""
    parser = argparse.ArgumentParser(prog="browser-as", description="open an address as one of the demo's people")
    parser.add_argument("--person", required=True)
    parser.add_argument("--cookies", type=Path)
    parser.add_argument("url")
    arguments = parser.parse_args()
    try:
        page = Browser(arguments.person, arguments.cookies).visit(arguments.url)
    except BrowserError as error:
        print(f"browser-as {arguments.person}: {error}", file=sys.stderr)
        return 1
    if page.status >= 400:
        print(f"browser-as {arguments.person}: {page.url.partition('?')[0]} says {page.status}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
