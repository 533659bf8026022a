"""The page in a real Chromium, where there is one: what a person does, and what the console says."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from gesso.server.app import PAGE
from tests.server.serving import Server

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def page(served: Server) -> Iterator[Any]:
    play = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on the path")
    with play.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": 390, "height": 844})
        found.said = []
        found.on("console", lambda message: found.said.append(message.text))
        found.on("pageerror", lambda error: found.said.append(str(error)))
        found.on(
            "request", lambda asked: found.said.append(asked.url) if served.url not in asked.url else None
        )
        found.goto(served.url)
        found.locator("#model option").first.wait_for(state="attached")
        yield found
        browser.close()


def test_a_picture_is_painted_edited_and_there_after_a_reload(page: Any) -> None:
    page.fill("#prompt", "a (hat")
    page.locator("#lints li").wait_for()
    page.fill("#prompt", "a hat on the page")
    page.fill("#steps", "2")
    page.keyboard.press("Control+Enter")
    picture = page.get_by_alt_text("Painting of a hat on the page")
    picture.first.wait_for(timeout=60_000)
    page.reload()
    picture.first.click(timeout=60_000)
    page.locator("#shown[open]").wait_for()
    page.click("#shown-edit")
    page.locator("#canvas:visible").click()
    page.fill("#prompt", "an edit on the page")
    page.click("#go")
    page.get_by_alt_text("Painting of an edit on the page").first.wait_for(timeout=60_000)
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= 390
    assert [each for each in page.said if not each.startswith("blob:")] == []


def test_the_page_is_small_and_asks_nobody_else() -> None:
    files = [each for each in PAGE.iterdir() if each.is_file()]
    assert sum(each.stat().st_size for each in files) < 150_000
    for each in files:
        text = each.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text


def test_every_text_has_its_place_for_translation() -> None:
    words = (PAGE / "words.js").read_text(encoding="utf-8")
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    for part in html.split('data-word="')[1:]:
        assert f"{part.partition(chr(34))[0]}:" in words, part[:20]
