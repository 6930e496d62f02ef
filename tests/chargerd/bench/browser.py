"""Debian's Chromium, driven by what a page marks with data-testid."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


class Browser:
    """One window. Everything waits for what it needs, `within_s` at most."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def has(self, mark: str) -> bool:
        return bool(self.driver.find_elements(By.CSS_SELECTOR, _selector(mark)))

    def text(self, mark: str) -> str:
        """What a person reads there; empty when it is hidden or gone."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.driver.execute_script(script, _selector(mark)))

    def click(self, mark: str) -> None:
        self._element(mark).click()

    def type(self, mark: str, text: str) -> None:
        field = self._element(mark)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text, Keys.TAB)

    def choose(self, mark: str, option: str) -> None:
        """Open the list `mark` and take `option`."""
        self._element(mark).click()
        item = self.wait(lambda: self._option(option), f"option {option}")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", item)
        self.wait(lambda: self._lies_bare(item), f"option {option} to lie still")
        item.click()
        self.wait(lambda: not self.driver.find_elements(By.CSS_SELECTOR, ".q-menu"), "the list to close")

    def until(self, mark: str, *parts: str, within_s: float = 15.0) -> None:
        """Wait until the text of `mark` holds all of `parts`."""
        self.wait(lambda: all(part in self.text(mark) for part in parts), f"{mark} to show {parts}", within_s, mark)

    def series(self, mark: str) -> dict[str, list[Any]]:
        """The data of the chart in `mark`: name -> points."""
        script = """
            const chart = getElement(+document.querySelector(arguments[0]).id.slice(1)).chart;
            return Object.fromEntries(chart.getOption().series.map(one => [one.name, one.data]));
        """
        return dict(self.driver.execute_script(script, _selector(mark)))

    def wait(self, look: Callable[[], Any], what: str, within_s: float = 15.0, mark: str = "") -> Any:
        def told() -> str:
            return f"{what}; it shows {self.text(mark)!r}" if mark else what

        try:
            return WebDriverWait(self.driver, within_s, poll_frequency=0.1).until(lambda _driver: look())
        except Exception as error:
            raise AssertionError(f"waited {within_s:g} s for {told()}") from error

    def _element(self, mark: str) -> WebElement:
        found: WebElement = self.wait(
            lambda: next(
                (one for one in self.driver.find_elements(By.CSS_SELECTOR, _selector(mark)) if one.is_displayed()), None
            ),
            mark,
        )
        return found

    def _lies_bare(self, element: WebElement) -> bool:
        """Whether a click at its middle would hit it: a list that is still opening or scrolling hits a neighbour."""
        script = """
            const at = arguments[0].getBoundingClientRect();
            const hit = document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2);
            const moved = arguments[0].seenAtY !== at.y;
            arguments[0].seenAtY = at.y;
            return !moved && arguments[0].contains(hit);
        """
        return bool(self.driver.execute_script(script, element))

    def _option(self, text: str) -> WebElement | None:
        items = self.driver.find_elements(By.CSS_SELECTOR, ".q-menu .q-item")
        return next((item for item in items if item.text == text), None)


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A fresh browser with its profile in `profile`."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for argument in (*QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


def _selector(mark: str) -> str:
    return f'[data-testid="{mark}"]'
