import re
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

from gesso.request import Request
from gesso.series.grid import grid
from gesso.series.page import page


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_shows_every_cell_with_its_labels_and_needs_no_other_file(tmp_path: Path) -> None:
    found = grid(None, Request(prompt='<b>&"cat"', seed=1), "steps=1,2", "cfg=3,4,5", "seed=1,2")
    files = {cell.place: tmp_path / "cells" / f"{i}.png" for i, cell in enumerate(found.cells)}
    (tmp_path / "cells").mkdir()
    for file in files.values():
        Image.new("RGB", (8, 8)).save(file)
    text = page("<b>", found, files)
    tags = Tags()
    tags.feed(text)
    images = [each for tag, each in tags.found if tag == "img"]
    assert len(images) == 12
    assert all((each["src"] or "").startswith("data:image/jpeg;base64,") for each in images)
    told = [Request.model_validate_json(each["title"] or "") for each in images]
    assert told == [cell.request for cell in found.cells]
    links = [each["href"] for tag, each in tags.found if tag == "a"]
    assert links == [f"cells/{i}.png" for i in range(12)]
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["seed 1", "seed 2"]
    for label in ("steps 1", "steps 2", "cfg 3", "cfg 4", "cfg 5"):
        assert text.count(f">{label}</th>") == 2
    assert not [tag for tag, _ in tags.found if tag in {"b", "script", "link"}]
