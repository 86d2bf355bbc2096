"""Network filters resolved: values filled in, nested filters followed, circles cut."""

from __future__ import annotations

from virtscope import filter_tree
from virtscope.sample import BindingFacts, FilterFacts, NicFacts


def defined(**filters: str) -> dict[str, FilterFacts]:
    return {
        name: FilterFacts(name, name, "h", chain="root", priority=0, xml=f"<filter name='{name}'>{body}</filter>")
        for name, body in filters.items()
    }


def rule(attributes: str, action: str = "accept") -> str:
    return f"<rule action='{action}' direction='out' priority='100'><ip {attributes}/></rule>"


NIC = NicFacts("52:54:00:00:00:01", "vnet0", filter="outer", filter_parameters={"IP": "10.0.0.1"})


def test_nested_filters_get_the_interface_s_values() -> None:
    filters = defined(
        outer="<filterref filter='inner'><parameter name='PORT' value='22'/></filterref>" + rule("srcipaddr='$IP'"),
        inner=rule("srcipaddr='$IP' dstportstart='$PORT' srcmacaddr='$MAC'"),
    )
    found = filter_tree.guard(NIC, filters, [])
    assert found.tree is not None
    assert found.tree.rules[0].matches[0].attributes == {"srcipaddr": "10.0.0.1"}
    assert found.tree.children[0].rules[0].matches[0].attributes == {
        "srcipaddr": "10.0.0.1",
        "dstportstart": "22",
        "srcmacaddr": "52:54:00:00:00:01",
    }
    assert found.missing == ()
    assert found.problem is None


def test_the_interface_wins_over_the_filter_that_includes() -> None:
    filters = defined(
        outer="<filterref filter='inner'><parameter name='IP' value='0.0.0.0'/></filterref>",
        inner=rule("srcipaddr='$IP'"),
    )
    tree = filter_tree.guard(NIC, filters, []).tree
    assert tree is not None
    assert tree.children[0].rules[0].matches[0].attributes == {"srcipaddr": "10.0.0.1"}


def test_a_value_that_nobody_sets_is_named_and_stays() -> None:
    filters = defined(outer=rule("srcipaddr='$IP[@1]' dstipaddr='$DHCPSERVER'"))
    found = filter_tree.guard(NicFacts("aa", "vnet0", filter="outer"), filters, [])
    assert found.missing == ("DHCPSERVER", "IP")
    assert found.tree is not None
    assert found.tree.rules[0].matches[0].attributes["dstipaddr"] == "$DHCPSERVER"


def test_holes_are_named() -> None:
    filters = defined(outer="<filterref filter='nowhere'/>", circle="<filterref filter='circle'/>")
    tree = filter_tree.guard(NIC, filters, []).tree
    assert tree is not None
    assert tree.children[0].problem == "not defined on this host"
    assert filter_tree.tree("circle", filters).children[0].problem == "includes itself"
    assert filter_tree.guard(NIC, {}, []).problem == "the filter outer is not defined on this host"
    assert filter_tree.guard(NicFacts("aa", "vnet0"), filters, []).filter is None


def test_a_filter_that_doubles_itself_does_not_grow_without_end() -> None:
    twice = "<filterref filter='{0}'/><filterref filter='{0}'/>"
    filters = defined(**{f"f{number}": twice.format(f"f{number + 1}") for number in range(31)})
    assert filter_tree.tree("f0", filters).name == "f0"


def test_what_is_at_work_is_compared() -> None:
    filters = defined(outer="", other="")
    same = BindingFacts("vnet0", "h", filter="outer")
    assert filter_tree.guard(NIC, filters, [same]).binding == same
    another = BindingFacts("vnet0", "h", filter="other")
    assert filter_tree.guard(NIC, filters, [another]).problem == "the filter other is at work, not outer"
