"""Network filters as trees, for people to read."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text
from rich.tree import Tree

from virtscope import text
from virtscope.cli.source import Item

_ACTIONS = {"drop": "red", "reject": "red", "accept": "green"}


def guards(item: Item) -> RenderableType:
    """A domain's interfaces, each with its filter and all that includes."""
    root = Tree(Text.assemble((text.plain(item["domain_name"]), "bold"), f" on {text.plain(item['host_name'])}"))
    for guard in item["interfaces"]:
        _guard(root, guard)
    if not item["interfaces"]:
        root.add(Text("no interface", "dim"))
    return root


def one(item: Item) -> RenderableType:
    """A filter: what it is, and all it includes."""
    lines = [
        Text.assemble((text.plain(item["name"]), "bold"), f" on {text.plain(item['host_name'])}"),
        Text(f"UUID {item['id']}, named by {item['interfaces']} interfaces"),
        Text(""),
    ]
    root = Tree(_title(item["tree"]))
    _fill(root, item["tree"])
    history = [Text(f"  {text.ago(version['at'])}: {_change(version)}") for version in item["history"]]
    return Group(*lines, root, *([Text(""), Text("Known versions", "bold"), *history] if history else []))


def _change(version: Item) -> str:
    if not version["defined"]:
        return "no longer defined"
    return text.plain("; ".join(version["changes"]) or "as it is known first")


def _guard(root: Tree, guard: Item) -> None:
    name = f"{guard['mac']} {guard['target'] or '(no device)'}"
    if guard["filter"] is None:
        root.add(Text.assemble(text.plain(name), "  ", ("! no filter", "bold yellow")))
        return
    at_work = guard["binding"] is not None
    mark = ("● at work", "green") if at_work else ("○ not at work (the domain does not run)", "dim")
    values = " ".join(f"{key}={value}" for key, value in sorted(guard["parameters"].items()))
    branch = root.add(
        Text.assemble(
            text.plain(name), "  ", (text.plain(guard["filter"]), "bold"), "  ", text.plain(values), "  ", mark
        )
    )
    if guard["problem"]:
        branch.add(Text(f"! {text.plain(guard['problem'])}", "bold red"))
    if guard["missing"]:
        names = ", ".join(f"${name}" for name in guard["missing"])
        branch.add(Text(f"! nobody sets {text.plain(names)}: libvirt learns it from the guest's packets", "yellow"))
    if guard["tree"]:
        node = branch.add(_title(guard["tree"]))
        _fill(node, guard["tree"])


def _title(node: Item) -> Text:
    place = f"  chain {node['chain']}, priority {node['priority']}" if node["chain"] else ""
    title = Text.assemble((text.plain(node["name"]), "cyan"), (text.plain(place), "dim"))
    if node["problem"]:
        title.append(f"  ! {text.plain(node['problem'])}", "bold red")
    return title


def _fill(branch: Tree, node: Item) -> None:
    for child in node["children"]:
        _fill(branch.add(_title(child)), child)
    for rule in node["rules"]:
        branch.add(_rule(rule))


def _rule(rule: Item) -> Text:
    matches = [_match(match) for match in rule["matches"]] or ["everything"]
    return Text.assemble(
        (text.plain(rule["action"]), _ACTIONS.get(rule["action"], "")),
        text.plain(f" {rule['direction']} {rule['priority']}  {'; '.join(matches)}"),
    )


def _match(match: Item) -> str:
    attributes = " ".join(f"{name}={value}" for name, value in match["attributes"].items())
    return f"{'not ' if match['negated'] else ''}{match['protocol']} {attributes}".strip()
