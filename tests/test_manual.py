"""The manual page, as troff reads it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from docs import manual
from virtscope.cli.commands import ENTRIES


def test_every_command_has_its_section() -> None:
    page = manual.page()
    for name in ENTRIES:
        assert f".SH VIRTSCOPE {name.upper()}".replace("-", "\\-") in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a-b", "a\\-b"), (".x", "\\&.x"), ("'x", "\\&'x"), ("a\\nb", "a\\enb"), ("`x`…", "\\(gax\\(ga...")],
)
def test_text_is_no_macro(text: str, expected: str) -> None:
    assert manual._text(text) == expected


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_troff_has_nothing_to_say() -> None:
    command = ["groff", "-man", "-Tascii", "-ww", "-P-c"]
    answer = subprocess.run(command, input=manual.page(), capture_output=True, text=True, check=True)
    assert answer.stderr == ""
    assert "virtscope list domains -l 'state:running cpu>80' --sort-by -cpu -o wide" in " ".join(answer.stdout.split())
