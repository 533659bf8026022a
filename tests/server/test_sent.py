import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.server.refusals import Refused
from gesso.server.sent import Sent, from_base64
from gesso.workers.places import Places
from tests.server.serving import bomb, picture, png


@pytest.fixture
def sent(tmp_path: Path) -> Sent:
    return Sent(Places(tmp_path, tmp_path), pixels=10_000)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "1"])
def test_pixels_are_kept_and_found_by_their_name(sent: Sent, mode: str) -> None:
    source = Image.new("RGBA", (8, 8), (200, 10, 10, 128)).convert(mode)
    out = io.BytesIO()
    source.save(out, "PNG")
    name = sent.keep(out.getvalue())
    assert sent.keep(out.getvalue()) == name
    with Image.open(sent.places.found(name)) as kept:
        assert np.array_equal(kept.convert("RGBA"), source.convert("RGBA"))
        assert kept.info == {}


def test_what_a_picture_carries_is_dropped_and_it_stands_upright(sent: Sent) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "secret"
    out = io.BytesIO()
    Image.new("RGB", (8, 4)).save(out, "JPEG", exif=exif)
    file = sent.places.found(sent.keep(out.getvalue()))
    assert b"secret" not in file.read_bytes()
    with Image.open(file) as kept:
        assert kept.size == (4, 8)


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        (bomb(101, 100), 413),
        (bomb(10_000, 10_000), 413),
        (bomb(60_000, 60_000), 400),
        (bomb(10, 10), 400),
        (b"", 400),
        (b"\x80\x04cos\nsystem\n", 400),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", 400),
        (png()[:-30], 400),
    ],
)
def test_what_is_no_picture_or_too_large_is_refused(sent: Sent, packed: bytes, status: int) -> None:
    with pytest.raises(Refused) as refusal:
        sent.keep(packed)
    assert refusal.value.status == status
    assert not sent.places.uploads.exists()


def test_pictures_come_as_text() -> None:
    text = base64.b64encode(png()).decode()
    for each in (text, f"data:image/png;base64,{text}", f"{text[:20]}\n{text[20:]}"):
        assert picture(from_base64(each)).size == (64, 64)


@pytest.mark.parametrize("text", ["http://127.0.0.1/x.png", "file:///etc/passwd", "ü", "abc"])
def test_addresses_are_never_fetched(text: str) -> None:
    with pytest.raises(Refused):
        from_base64(text)
