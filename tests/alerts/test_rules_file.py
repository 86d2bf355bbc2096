"""Rules as a file: what is right, and where what is wrong stands."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtscope.alerts import rules_file
from virtscope.alerts.rule import KINDS, Rule, Severity, condition
from virtscope.errors import BadInput

GOOD = """
# steal
[steal]
on = "domains"
where = "state:running"
when = "steal>10"
clear = "steal<5"
for = "10m"
severity = "critical"
"""


def test_a_rule_is_read() -> None:
    (rule,) = rules_file.read(GOOD, "f")
    assert rule == Rule("steal", "domains", "steal>10", "state:running", "steal<5", 600.0, 300.0, Severity.CRITICAL)


def test_every_server_begins_with_rules_that_make_sense() -> None:
    rules = rules_file.defaults()
    assert len(rules) > 10
    assert all(condition(rule) and rule.text for rule in rules)
    assert {"host-down", "domain-crashed", "domain-steal", "pool-full"} <= {rule.name for rule in rules}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("on = 1 2", "is no TOML"),
        ("x = 1", "f:1: 'x' is no rule"),
        (GOOD.replace("steal>10", "stael>10"), "f:6: steal: when: .*'stael'"),
        (GOOD.replace("steal<5", "steal<"), "f:7: steal: clear"),
        (GOOD.replace('"10m"', '"soon"'), "f:8: for = 'soon' is no time span"),
        (GOOD.replace('"10m"', '"30d"'), "f:8: for = '30d' is more than 7d"),
        (GOOD.replace('"critical"', '"bad"'), "f:9: severity = 'bad' is none of info, warning, critical"),
        (GOOD.replace("severity", "severty"), "f:9: a rule has no 'severty'"),
        (GOOD.replace('"domains"', '"guests"'), "f:3: .*no 'guests' to watch"),
        (GOOD.replace('"domains"', "7"), "f:4: on = 7 is no text"),
        (GOOD.replace('when = "steal>10"', ""), "f:3: the rule 'steal' does not say 'when'"),
        (GOOD.replace('"steal>10"', '""'), "f:6: steal: when: it is empty"),
        (GOOD.replace("[steal]", '["Steal it"]'), "no name for a rule"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        rules_file.read(text, "f")
    assert caught.value.hint


words = st.text(st.characters(codec="utf-8"), max_size=60)


@settings(max_examples=60)
@given(
    st.builds(
        Rule,
        name=st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True),
        on=st.sampled_from([kind for kind in KINDS if kind != "agents"]),
        when=st.sampled_from(["host:a", 'host:"a b" or not host:x']),
        where=st.sampled_from(["", "host:x"]),
        hold=st.integers(0, 604_800).map(float),
        rest=st.integers(0, 604_800).map(float),
        severity=st.sampled_from(Severity),
        text=words.map(str.strip),
        enabled=st.booleans(),
    )
)
def test_what_is_written_is_read_as_it_was(rule: Rule) -> None:
    (again,) = rules_file.read(rules_file.written([rule]), "f")
    assert again == rule
