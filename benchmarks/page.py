"""The page, driven in a real Chromium: screenshots for the documentation, and what the console says.

python -m benchmarks.page --out docs/pictures        (needs playwright, and Chromium on the path)
"""

import argparse
import io
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.serving import House

WORDS = ("three strawberries in the grass", "an owl in the snow")


def painted(page: Page, words: str) -> None:
    """Paint a picture and wait until it is in the gallery."""
    pictures = page.locator("#gallery img")
    before = pictures.count()
    page.fill("#prompt", words)
    page.keyboard.press("Control+Enter")
    pictures.nth(before).wait_for(timeout=120_000)


def toured(page: Page, out: Path) -> None:
    """What a person does: paint, look, paint into a picture; on a desk and on a phone."""
    for words in WORDS:
        painted(page, words)
    page.fill("#count", "6")
    page.fill("#steps", "60")
    page.fill("#prompt", "a (cat in a hat")
    page.wait_for_selector("#lints li")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#queue img", timeout=120_000)
    kept(page.screenshot(), out / "page.png")
    page.click("#gallery button >> nth=0")
    page.wait_for_selector("#shown[open]")
    page.click("#shown-edit")
    page.wait_for_selector("#canvas:visible")
    dragged(page, 0.6)
    kept(page.locator("#source").screenshot(), out / "page-edit.png")
    page.click("#unsource")


def kept(packed: bytes, path: Path) -> None:
    """Keep a screenshot, small enough for a repository."""
    with Image.open(io.BytesIO(packed)) as image:
        image.convert("RGB").quantize(128).save(path, optimize=True)


def dragged(page: Page, share: float) -> None:
    """Drag the frame's right side outward, so far into the room that there is."""
    canvas = page.locator("#canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    room = box["width"] * 0.15 / 1.3
    middle, edge = box["y"] + box["height"] / 2, box["x"] + box["width"] - room
    page.mouse.move(edge, middle)
    page.mouse.down()
    page.mouse.move(edge + room * share, middle, steps=3)
    page.mouse.up()


def compared(page: Page, out: Path) -> None:
    """A grid of settings, and one seed with and without a LoRA under the slider."""
    page.click("#clear")
    page.fill("#prompt", WORDS[1])
    page.fill("#seed", "7")
    page.click("#grid-panel summary")
    page.fill("#x", "steps=4,8,16")
    page.fill("#y", "cfg=1,4")
    page.click("#grid")
    page.locator("#sheets img").nth(5).wait_for(timeout=240_000)
    page.wait_for_load_state("networkidle")
    kept(page.locator("#sheet").screenshot(), out / "page-grid.png")
    page.click("#sheet-close")
    page.click("#lora-panel summary")
    page.click("#lora-add")
    page.fill("#x", "loras.0.weight=0,0.8")
    page.fill("#y", "")
    page.click("#grid")
    page.locator("#sheet-compare:visible").click(timeout=240_000)
    page.locator("#compare[open]").wait_for()
    page.wait_for_load_state("networkidle")
    kept(page.locator("#compare").screenshot(), out / "page-compare.png")
    page.click("#compare-close")


def main() -> None:
    """Tour the page in light, dark and on a phone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    out: Path = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack, sync_playwright() as play:
        house = House(Path(folder))
        house.start()
        stack.callback(house.stop)
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        desk = browser.new_page(viewport={"width": 1200, "height": 800})
        said: list[str] = []
        desk.on("console", lambda message: said.append(message.text))
        desk.on("pageerror", lambda error: said.append(str(error)))
        desk.goto(house.url)
        desk.locator("#model option").first.wait_for(state="attached")
        toured(desk, out)
        compared(desk, out)
        phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        phone.goto(house.url)
        phone.wait_for_selector("#gallery img")
        kept(phone.screenshot(), out / "page-phone.png")
        browser.close()
    print("\n".join(said) or "the console said nothing")


if __name__ == "__main__":
    main()
