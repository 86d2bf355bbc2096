"""Takes the pictures of the page that the docs show: ``python -m docs.screenshots``, or ``./dev screenshots``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import expect

from tests.page.showcase import BULLY, showcase
from tests.page.test_page import browser, opened

FOLDER = Path(__file__).parent / "images"
PICTURES = {
    # name: path, theme, width, height
    "fleet": ("/", "dark", 1280, 860),
    "domains": ("/domains?q=-stale:yes&sort=-steal", "light", 1280, 640),
    "domain": (f"/domains/{BULLY}", "dark", 1280, 900),
    "host": ("/hosts/kvm2", "light", 1280, 900),
    "configuration": ("/domains/db-01?tab=configuration", "light", 1280, 760),
    "phone": ("/", "dark", 390, 800),
}


def take() -> None:
    """Write every picture into ``docs/images``."""
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        showcase(Path(folder), seconds=7200, step=60) as served,
        browser(served.address) as first,
    ):
        started = first.context.browser
        assert started
        for name, (path, scheme, width, height) in PICTURES.items():
            with opened(started, served.address, "status of 404", scheme=scheme, width=width) as page:
                page.set_viewport_size({"width": width, "height": height})
                page.goto(path)
                expect(page.locator("canvas, path[d^=M], pre").first).to_be_visible()
                expect(page.get_by_text("Loading …")).to_have_count(0)
                page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    take()
