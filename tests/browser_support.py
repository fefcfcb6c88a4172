"""Opens pages in the headless Chromium of the machine; tests that need it ask for ``browser``.

Without Chromium they are skipped; with ``REQUIRE_BROWSER`` set, as CI has it, they fail instead.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One Chromium; ``open`` gives it a fresh page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(
        self, page: Path, *, width: int = 1280, height: int = 900, scheme: str = "light"
    ) -> None:
        command = self.driver.execute_cdp_cmd
        command(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        command(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(page.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requested(self) -> list[str]:
        """Give every address that was asked for since the page was opened."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def fetched(self) -> list[str]:
        """Give what was asked for beside the page's own data."""
        return [url for url in self.requested() if not url.startswith("data:")]

    def fits(self, width: int) -> bool:
        """Say whether the page can be read without scrolling sideways."""
        content, window = self.run("return [document.scrollingElement.scrollWidth, innerWidth]")
        return bool(content <= window == width)

    def screenshot(self, path: Path) -> bytes:
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": False}
        )
        path.write_bytes(base64.b64decode(shot["data"]))
        return path.read_bytes()


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium with a fresh profile, or skip the test."""
    from selenium import webdriver

    programs = [
        shutil.which(name) or shutil.which(f"/usr/bin/{name}")
        for name in ("chromium", "chromedriver")
    ]
    if None in programs:
        reason = "no chromium and chromedriver here: apt-get install chromium chromium-driver"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


#: Gives every element whose text is hard to tell from what is behind it; pictures are left out.
CONTRAST = """
const light = (c) => {
  const part = c.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (!c.startsWith('rgba(0, 0, 0, 0')) return c;
  }
  return 'rgb(255, 255, 255)';
};
const poor = [];
for (const e of document.querySelectorAll('body *:not(svg, svg *, script)')) {
  if (!Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) poor.push([e.tagName, e.className]);
}
return poor;
"""

#: Gives the contrast between two colours of the style sheet.
RATIO = """
const style = getComputedStyle(document.documentElement);
const light = (name) => {
  const part = style.getPropertyValue(name).trim().slice(1).match(/../g)
    .map(v => parseInt(v, 16) / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
};
const [a, b] = [light(arguments[0]), light(arguments[1])].sort((x, y) => y - x);
return (a + 0.05) / (b + 0.05);
"""
