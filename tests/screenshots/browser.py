"""A headless Chromium that looks at Airflow's UI and takes pictures of it."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_PROGRAMS = ("chromium", "chromedriver")
_OPTIONS = (
    "--headless",
    # So that it starts as root and in a container, too. It sees one page only, which is our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Pixels. As wide as a README is shown on a large screen.
_WIDTH = 1280
#: A UI has few colours, and a picture with a palette of them a third of the size.
_COLOURS = 128
#: Seconds for something to appear.
_PATIENCE = 60.0


def check() -> None:
    """Exit, saying what to install, where Chromium or its driver is missing."""
    if any(shutil.which(program) is None for program in _PROGRAMS):
        sys.exit("Chromium and its driver are missing: apt-get install chromium chromium-driver")


class Browser:
    """
    Chromium with an empty profile, as a context manager.

    :param url: of the site that it looks at.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Browser:
        self._profile = TemporaryDirectory(prefix="checknumber-chromium-", ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for option in (*_OPTIONS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(option)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self._driver = webdriver.Chrome(options=options, service=service)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.quit()
        self._profile.cleanup()

    def open(self, path: str, *, height: int) -> None:
        """Open a page in a window that shows so many pixels of its height."""
        size = {"width": _WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._driver.get(self._url + path)

    def press(self, label: str) -> None:
        """Press the button that has, or begins with, this label."""
        self.find(f"//button[starts-with(@aria-label, '{label}') or normalize-space() = '{label}']").click()

    def type(self, field: str, *words: str) -> None:
        """Type into the field of the form that an XPath finds."""
        self.find(field).send_keys(*words)

    def find(self, xpath: str) -> WebElement:
        """Return what is shown there as soon as it is shown."""

        def shown(driver: Any) -> WebElement | None:
            return next((each for each in driver.find_elements(By.XPATH, xpath) if each.is_displayed()), None)

        return WebDriverWait(self._driver, _PATIENCE).until(shown, xpath)

    def save(self, file: Path, *, height: int | None = None) -> None:
        """Write what the window shows, or the upper part of it, once nothing moves in it any more."""
        WebDriverWait(self._driver, _PATIENCE).until(_is_still())
        with Image.open(io.BytesIO(self._driver.get_screenshot_as_png())) as image:
            part = image.convert("RGB").crop((0, 0, image.width, height or image.height))
            part.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT).save(file, optimize=True)


def _is_still() -> Callable[[Any], bool]:
    """Return a condition that is met by the second of two equal pictures in a row."""
    last = [b""]

    def still(driver: Any) -> bool:
        before, last[0] = last[0], driver.get_screenshot_as_png()
        return last[0] == before

    return still


ENTER = Keys.ENTER
