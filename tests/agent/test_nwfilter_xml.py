"""Network filters and bindings out of their XML."""

from __future__ import annotations

from virtscope.agent import nwfilter_xml

FILTER = """<filter name='clean' chain='ipv4' priority='-700'><uuid>u</uuid>
<filterref filter='no-mac-spoofing'/><filterref filter='allow'><parameter name='PORT' value='22'/></filterref>
<rule action='drop' direction='out' priority='500'><ip srcipaddr='$IP'/></rule></filter>"""
BINDING = """<filterbinding><owner><name>web</name><uuid>d1</uuid></owner><portdev name='vnet0'/>
<mac address='52:54:00:00:00:01'/><filterref filter='clean'><parameter name='IP' value='10.0.0.1'/>
<parameter name='IP' value='10.0.0.2'/></filterref></filterbinding>"""


def test_a_filter() -> None:
    found = nwfilter_xml.filter_facts("u", "clean", "h", FILTER)
    assert (found.chain, found.priority, found.rules) == ("ipv4", -700, 1)
    assert found.references == ("no-mac-spoofing", "allow")
    assert found.problem is None


def test_chain_and_priority_have_defaults() -> None:
    found = nwfilter_xml.filter_facts("u", "x", "h", "<filter name='x'/>")
    assert (found.chain, found.priority) == ("root", 0)


def test_a_binding() -> None:
    found = nwfilter_xml.binding_facts("vnet0", "h", BINDING)
    assert (found.filter, found.domain, found.mac) == ("clean", "d1", "52:54:00:00:00:01")
    assert found.parameters == {"IP": "10.0.0.1,10.0.0.2"}


def test_what_cannot_be_read_is_said() -> None:
    assert nwfilter_xml.filter_facts("u", "x", "h", "<filter").problem
    assert nwfilter_xml.binding_facts("vnet0", "h", "").problem
