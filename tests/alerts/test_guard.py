"""Where a message may go."""

from __future__ import annotations

from functools import partial

import pytest

from virtscope.alerts.message import Message
from virtscope.alerts.receiver import Receiver, hand_over, require_receiver, tell
from virtscope.alerts.rule import Severity
from virtscope.alerts.sending.guard import is_allowed
from virtscope.errors import BadInput, ReceiverError


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.9.9", "fd00::1"),
        *("169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "100.64.0.1", "192.0.2.1"),
    ],
)
def test_what_is_not_public_is_forbidden(address: str) -> None:
    assert not is_allowed(address, [])


def test_the_public_and_the_allowed_are_not() -> None:
    from ipaddress import ip_network

    assert is_allowed("1.1.1.1", [])
    assert is_allowed("2606:4700:4700::1111", [])
    assert is_allowed("10.1.2.3", [ip_network("10.1.0.0/16")])
    assert not is_allowed("10.2.2.3", [ip_network("10.1.0.0/16")])
    assert is_allowed("::ffff:10.1.2.3", [ip_network("10.1.0.0/16")])


TEXT = Message("title", "body", Severity.INFO, is_resolved=False)


@pytest.mark.parametrize("url", ["json://127.0.0.1:9/", "json://localhost:9/", "alertmanager://[::1]:9"])
def test_the_senders_process_keeps_to_it(url: str) -> None:
    receiver = Receiver("hook", url)
    send = partial(hand_over, alerts=[]) if receiver.is_alertmanager else partial(tell, message=TEXT)
    with pytest.raises(ReceiverError, match="is not public: allow its network with --notify-networks"):
        send(receiver, allowed=())


@pytest.mark.parametrize("url", ["", "nothing", "dbus://", "windows://", "gnome://x", "nosuchscheme://host"])
def test_what_tells_nobody_is_no_receiver(url: str) -> None:
    with pytest.raises(BadInput):
        require_receiver(Receiver("r", url))


@pytest.mark.parametrize(
    "url", ["mailto://u:secret@example.org", "slack://T1/secret/x", "jsons://u:secret@h/secret?x=secret"]
)
def test_a_receivers_address_is_shown_without_its_secrets(url: str) -> None:
    receiver = Receiver("r", url)
    assert "secret" not in receiver.shown
    assert "secret" not in repr(receiver)
