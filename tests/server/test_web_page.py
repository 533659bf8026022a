"""The page in a real Chromium, where there is one: what a person does, and what the console says."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gesso.server.app import PAGE
from gesso.workers.job import State
from gesso.workers.table import Listing
from tests.server.serving import Server, serving, settings_in
from tests.workers.fakes import FakePainter

PHONE = {"width": 390, "height": 844}
PATIENCE = 120_000
"""Milliseconds that a state may take to come, on a machine that does much else."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    play = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on the path")
    with play.sync_playwright() as started:
        found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Any, server: Server) -> Any:
    """The page on a phone; `said` is what its console says, and which other hosts it asks."""
    page = browser.new_page(viewport=PHONE)
    page.set_default_timeout(PATIENCE)
    page.said = []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda asked: page.said.append(asked.url) if outside(asked.url, server) else None)
    page.goto(server.url)
    page.locator("#health:not(:empty)").wait_for(state="attached")
    return page


def outside(url: str, server: Server) -> bool:
    return not url.startswith((server.url, "blob:", "data:"))


@pytest.fixture
def page(browser: Any, served: Server) -> Iterator[Any]:
    found = opened(browser, served)
    yield found
    assert found.said == []
    found.close()


def audited(page: Any) -> list[str]:
    """What axe-core finds serious."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html']}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


def painted(page: Any, words: str) -> Any:
    page.fill("#prompt", words)
    page.fill("#steps", "2")
    page.keyboard.press("Control+Enter")
    picture = page.locator(f'#gallery [alt="Painting of {words}"]').first
    picture.wait_for()
    return picture


def test_a_picture_is_painted_edited_and_there_after_a_reload(page: Any) -> None:
    page.fill("#prompt", "a (hat")
    page.locator("#lints li").wait_for()
    picture = painted(page, "a hat on the page")
    page.reload()
    picture.click()
    page.locator("#shown[open]").wait_for()
    assert audited(page) == []
    page.click("#shown-edit")
    page.locator("#canvas:visible").click()
    painted(page, "an edit on the page")
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


def test_the_frame_is_dragged_outward(page: Any, served: Server) -> None:
    painted(page, "a hat that grows").click()
    page.click("#shown-edit")
    canvas = page.locator("#canvas:visible")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle, edge = box["y"] + box["height"] / 2, box["x"] + box["width"] * (1 - 0.15 / 1.3)
    page.mouse.move(edge + 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, middle, steps=3)
    page.mouse.up()
    grown = int(page.input_value("#right"))
    assert grown > 0
    assert grown % 8 == 0
    assert [page.input_value(f"#{side}") for side in ("left", "up", "down")] == ["0"] * 3
    painted(page, "a hat that grew")
    (job,) = served.table.listed(Listing(words="a hat that grew"))
    source = job.request.source
    assert source is not None
    assert source.extend is not None
    assert source.extend.right == grown
    assert source.mask is None


def test_panels_grids_and_the_slider(page: Any, served: Server, tmp_path: Path) -> None:
    page.select_option("#model", label="emoji")
    page.click("#lora-panel summary")
    page.click("#lora-add")
    page.fill("#loras input", "0.5")
    page.click("#control-panel summary")
    page.click("#control-add")
    painted(page, "nothing yet") if page.locator("#gallery img").count() == 0 else None
    page.locator("#gallery img").first.click()
    href = page.get_attribute("#shown-file", "href")
    page.click("#shown-close")
    file = tmp_path / "edges.png"
    file.write_bytes(page.request.get(f"{served.url}/{href}").body())
    page.set_input_files("#controls input[type=file]", file)
    page.select_option("#controls label:last-of-type select", "canny")
    page.fill("#prompt", "a hat in a grid")
    page.click("#grid-panel summary")
    page.fill("#x", "steps=1,2")
    page.fill("#seed", "5")
    page.click("#grid")
    page.locator("#sheet[open]").wait_for()
    page.locator("#sheet-compare:visible").wait_for()
    assert page.locator("#sheets th[scope=col]").all_inner_texts() == ["steps 1", "steps 2"]
    assert audited(page) == []
    page.click("#sheet-compare")
    page.locator("#compare[open]").wait_for()
    page.fill("#slider", "10")
    assert "10%" in page.evaluate("() => document.getElementById('pair-right').style.clipPath")
    assert "steps" in page.locator("#differences dt").all_inner_texts()
    assert audited(page) == []
    cells = served.table.listed(Listing(words="a hat in a grid"))
    assert {each.request.steps for each in cells} == {1, 2}
    for each in cells:
        assert [(str(use.file), use.weight) for use in each.request.loras] == [
            ("builtin/loras/ink.safetensors", 0.5)
        ]
        (control,) = each.request.controls
        assert control.annotator == "canny"
        assert str(control.image).startswith("uploads/")


def test_jobs_are_moved_and_runs_are_drawn(browser: Any, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, runs=tmp_path / "runs")
    run = settings.runs / "cat"
    run.mkdir(parents=True)
    (run / "recipe.json").write_text(json.dumps({"subject": {"kind": "lora"}, "run": {"steps": 4}}))
    lines = [json.dumps({"step": step, "loss": 1 / step}) + "\n" for step in (1, 2, 3)]
    (run / "losses.jsonl").write_text("".join(lines))
    with serving(settings, FakePainter(pause=1.0)) as server:
        page = opened(browser, server)
        for words, count in (("first", 100), ("second", 1), ("third", 1)):
            page.fill("#prompt", words)
            page.fill("#count", str(count))
            page.click("#go")
            page.locator(f'#queue progress[aria-label="{words}"]').wait_for()
        assert audited(page) == []
        page.locator("#queue li").nth(2).get_by_text("Earlier").click()
        page.locator('#queue li:nth-child(2) progress[aria-label="third"]').wait_for()
        waiting = sorted(server.table.listed(Listing(states=(State.QUEUED,))), key=lambda each: each.position)
        assert [each.request.prompt for each in waiting] == ["third", "second"]
        page.locator("#queue li").nth(2).drag_to(page.locator("#queue li").nth(1))
        page.locator('#queue li:nth-child(2) progress[aria-label="second"]').wait_for()
        for _ in range(3):
            left = page.locator("#queue li").count()
            page.locator("#queue li").last.get_by_text("Cancel").click()
            page.wait_for_function("left => document.querySelectorAll('#queue li').length < left", arg=left)
        page.locator("#runs-panel summary").click()
        page.get_by_text("cat: lora, step 3 of 4").click()
        page.locator('#run svg[aria-label="Loss: 0.3333 after step 3"]').wait_for()
        assert audited(page) == []
        assert page.said == []
        page.close()


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
