"""A real Chromium, opened on files with the network off. It is the machine's own; nothing is fetched."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
SETTLED = "() => document.documentElement.dataset.ready"
WATCH = "addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`))"


def chromium() -> str:
    """Where Chromium is. Without it there is nothing to be said for the page, so the tests fail."""
    named = os.environ.get("CULTUREPARK_CHROMIUM")
    found = named or next((path for path in map(shutil.which, NAMES) if path), None)
    if not found or not shutil.which(found):
        pytest.fail(
            "no Chromium here: `apt-get install chromium`, or name one with CULTUREPARK_CHROMIUM=/path/to/chromium",
            pytrace=False,
        )
    return found


@contextmanager
def opened() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser
        browser.close()


def launch(playwright: Playwright, path: str) -> Browser:
    # Chromium refuses to keep its sandbox for root, as whom a container runs its tests.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=arguments)


def picture(
    path: Path, fragment: str, out: Path, *, width: int = 1280, height: int = 900, scheme: Any = "light"
) -> None:
    """A page as PNG. (`chromium --screenshot` leaves a page blank that has scrolled to a sentence.)"""
    size: Any = {"width": width, "height": height}
    with opened() as browser, visit(browser, viewport=size, color_scheme=scheme, reduced_motion="reduce") as seen:
        page = seen.open(path.resolve(), fragment)
        page.wait_for_timeout(300)
        page.screenshot(path=out)


class Visit:
    """A page being looked at, and all that it did which it should not."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.trouble: list[str] = []
        page.add_init_script(WATCH)
        page.on("console", lambda said: self.trouble.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", self._request)
        page.set_default_timeout(60_000)

    def open(self, path: Path, fragment: str = "", *, ready: bool = True) -> Page:
        self.page.goto(f"{path.as_uri()}{fragment}")
        if ready:
            self.page.wait_for_function(SETTLED)
        return self.page

    def _dialog(self, dialog: Any) -> None:
        self.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith("file:") or request.resource_type != "document":
            self.trouble.append(f"request: {request.url[:200]}")


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Visit]:
    """Nothing may have gone wrong when it ends."""
    context = browser.new_context(offline=True, **({"viewport": {"width": 1280, "height": 900}} | options))
    seen = Visit(context.new_page())
    try:
        yield seen
        assert seen.trouble == []
    finally:
        context.close()


if __name__ == "__main__":  # python -m tests.support.browser report.html '#RUN.d1.t10' turn.png [light|dark] [WIDTH]
    report, place, png, *more = sys.argv[1:]
    picture(
        Path(report), place, Path(png), scheme=more[0] if more else "light", width=int(more[1]) if more[1:] else 1280
    )
