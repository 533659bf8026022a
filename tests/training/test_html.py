"""Pages stand alone, and pictures in them are small."""

import base64
import io
import re

from PIL import Image

from gesso.training.html import page, picture


def test_a_page_needs_nothing_else() -> None:
    text = page("a <b>", "<p>said</p>")
    assert text.startswith("<!doctype html>")
    assert "<h1>a &lt;b&gt;</h1>" in text
    assert "http" not in text


def test_a_picture_is_within_the_page() -> None:
    text = picture(Image.new("RGBA", (400, 100), (255, 0, 0, 255)), 100, 'say "so"')
    assert 'alt="say &quot;so&quot;"' in text
    packed = re.search(r"base64,([^\"]+)", text)
    assert packed is not None
    with Image.open(io.BytesIO(base64.b64decode(packed[1]))) as image:
        assert image.size == (100, 25)
