"""The process that sends: one thing to do on standard input as JSON, why it could not be done on standard output.

It imports nothing of virtscope but the guard: what it is given, and the network, are all that it knows.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from virtscope.alerts.sending import guard

CONNECT_SECONDS, READ_SECONDS = 10.0, 30.0


def main() -> None:
    """Do what is asked for."""
    what = json.load(sys.stdin)
    if "check" in what:
        problem = _check(what["check"])
    else:
        guard.install(what["allowed"])
        problem = _post(what) if "post" in what else _notify(what)
    json.dump({"problem": problem}, sys.stdout)


def _check(url: str) -> str | None:
    return None if _plugin(url) is not None else "apprise does not understand this address"


def _plugin(url: str) -> Any:
    from apprise import Apprise, AppriseAsset

    asset = AppriseAsset(app_id="virtscope", app_desc="virtscope", app_url="", secure_logging=True)
    return Apprise.instantiate(url, asset=asset, suppress_exceptions=True)


def _notify(what: Mapping[str, Any]) -> str | None:
    import logging

    from apprise import LogCapture

    plugin = _plugin(what["url"])
    if plugin is None:
        return "apprise does not understand the address"
    plugin.socket_connect_timeout, plugin.socket_read_timeout = CONNECT_SECONDS, READ_SECONDS
    with LogCapture(level=logging.DEBUG) as said:  # type: ignore[no-untyped-call]
        try:
            if plugin.notify(body=what["body"], title=what["title"], notify_type=what["type"]):
                return None
        except TypeError as error:
            return str(error)
        return _reason(said.getvalue())


def _reason(said: str) -> str:
    """The end of what a plugin says of its failure, which is a line for people and then the library's."""
    if found := re.search(r"[^\s()]+ \([^()]*\) is not public: allow its network with --notify-networks", said):
        return found[0]
    lines = [line for line in said.splitlines() if re.search(r"error|fail|refus|exception", line, re.IGNORECASE)]
    return re.sub(r"^\S+ \S+ - \w+ - ", "", (lines or ["it did not say why"])[-1])[:300]


def _post(what: Mapping[str, Any]) -> str | None:
    import urllib3

    pool = urllib3.PoolManager(timeout=urllib3.Timeout(CONNECT_SECONDS, READ_SECONDS), retries=False)
    try:
        answer = pool.request("POST", what["post"], json=what["alerts"], redirect=False)
    except urllib3.exceptions.HTTPError as error:
        return str(error.__cause__ or error)[:300]
    except guard.Forbidden as error:
        return str(error)
    return (
        None if answer.status == 200 else f"it answered {answer.status}: {answer.data[:200].decode(errors='replace')}"
    )


if __name__ == "__main__":
    main()
