"""Secrets taken out of text before anybody writes it: those that were named, and what has the form of one."""

from __future__ import annotations

import json
import re

GONE = "[secret]"
_SHORTEST = 4
"""A shorter secret would be found in every other word."""

_FORMS = (
    # A private key, whole or cut off.
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # A header with credentials, to the end of its line or quotes.
    re.compile(r"(?i)(?<=authorization: )[^\r\n\"']+|(?<=cookie: )[^\r\n\"']+"),
    re.compile(r"(?i)\b(?<=bearer )[\w.~+/=-]{8,}|\b(?<=basic )[\w+/=-]{8,}"),
    # Tokens of ours, and hashes of passwords.
    re.compile(r"\bvs[a-z]_[\w-]{8,}"),
    re.compile(r"\$(?:argon2(?:id|i|d)|2[aby])\$[^\s\"']+"),
    # What a name says is one: password=…, "client_secret": "…".
    re.compile(
        r"""(?ix) \b [\w-]* (?:passw(?:or)?d|secret|token|api[_-]?key) [\w-]* ["']? \s*
        (?: = | (?<=["']): | (?<=["'])\s: ) \s*
        (?P<value> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | [^\s"',;&)}\]]+ )"""
    ),
    # user:password@ of an address.
    re.compile(r"(?<=://)(?P<value>[^\s/@\"']*:[^\s/@\"']*)(?=@)"),
)


class Redaction:
    """Knows the secrets of this process."""

    def __init__(self) -> None:
        self._named: frozenset[str] = frozenset()

    def name(self, secret: str) -> None:
        """Take this out of everything from now on. A very short one is not: it would be everywhere."""
        text = secret.strip()
        if len(text) >= _SHORTEST:
            self._named |= {text, repr(text)[1:-1], json.dumps(text)[1:-1]}  # as it is quoted within other text, too

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in sorted(self._named, key=len, reverse=True):  # one may be a part of another
            text = text.replace(secret, GONE)
        for form in _FORMS:
            text = form.sub(_without, text)
        return text


def _without(found: re.Match[str]) -> str:
    if "value" not in found.re.groupindex:
        return GONE
    start, end = found.start("value") - found.start(), found.end("value") - found.start()
    return found[0][:start] + GONE + found[0][end:]
