from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.server.catalogue import Entry
from gesso.server.openai_asks import edit, fitted, generation, variation
from gesso.server.openai_forms import Edit, Generation, Received, Variation
from gesso.server.refusals import Refused
from gesso.server.sent import Sent
from gesso.workers.places import Places
from tests.server.serving import png

MODEL = Entry(
    name="m", title="m", family="sd1", bytes=1, modified=0, size=(512, 512), steps=20, cfg=8.0,
    sampler="euler", schedule="normal",
)  # fmt: skip


@pytest.fixture
def sent(tmp_path: Path) -> Sent:
    return Sent(Places(tmp_path, tmp_path), 10**7)


@given(st.integers(64, 4096), st.integers(64, 4096), st.sampled_from([64, 512, 1024]))
def test_painting_is_about_as_large_as_the_model_knows(width: int, height: int, best: int) -> None:
    painted = fitted((width, height), (best, best))
    grid = max(8, min(64, best // 64 * 8))
    assert not any(side % grid for side in painted)
    if max(width, height) <= 4 * min(width, height):
        assert 0.5 <= painted[0] * painted[1] / best**2 <= 1.9
        assert 0.7 <= (painted[0] / painted[1]) / (width / height) <= 1.4


def test_a_size_that_the_model_knows_is_painted_as_it_is() -> None:
    assert fitted((512, 512), (512, 512)) == (512, 512)
    assert fitted((576, 448), (512, 512)) == (576, 448)
    assert fitted(None, (512, 512)) == (512, 512)
    assert fitted((1024, 1024), (512, 512)) == (512, 512)


@pytest.mark.parametrize(
    ("said", "steps", "cfg"),
    [
        ({}, None, None),
        ({"quality": "standard"}, None, None),
        ({"quality": "hd", "style": "natural"}, 30, 6.0),
        ({"quality": "low"}, 10, None),
        ({"quality": "high", "steps": 7, "style": "natural", "guidance_scale": 3.0}, 7, 3.0),
    ],
)
def test_quality_and_style_say_steps_and_guidance(said: dict, steps: int | None, cfg: float | None) -> None:
    wish = generation(Generation(prompt="a {red|blue} (hat:1.2)", n=2, **said), MODEL)
    assert (wish.request.steps, wish.request.cfg, wish.request.count) == (steps, cfg, 2)
    assert wish.request.prompt == "a {red|blue} (hat:1.2)"
    assert wish.request.dialect == "plain"


def test_an_edit_paints_where_the_mask_says(sent: Sent) -> None:
    body = Received(images=[png()], mask=png("#00000000", mode="RGBA"))
    wish = edit(Edit(prompt="a hat"), MODEL, body, sent)
    assert wish.request.source is not None
    assert wish.request.source.mask is not None
    assert wish.request.source.mask.paint == "transparent"
    assert (wish.request.source.strength, wish.request.source.only_masked) == (1.0, False)
    assert wish.rendition.size == (64, 64)
    large = edit(Edit(prompt="a hat"), MODEL, Received(images=[png("#00000000", (800, 800), "RGBA")]), sent)
    assert large.request.source is not None
    assert large.request.source.only_masked


def test_without_a_mask_a_picture_is_painted_over(sent: Sent) -> None:
    for fidelity, strength in (("low", 0.75), ("high", 0.5)):
        form = Edit(prompt="a hat", input_fidelity=fidelity, size="100x50")
        wish = edit(form, MODEL, Received(images=[png(size=(512, 512))]), sent)
        assert wish.request.source is not None
        assert (wish.request.source.strength, wish.request.source.mask) == (strength, None)
        assert (wish.request.size, wish.rendition.size) == ((512, 512), (100, 50))
    wish = variation(Variation(n=3), MODEL, Received(images=[png()]), sent)
    assert (wish.request.count, wish.request.prompt, wish.rendition.size) == (3, "", (64, 64))


@pytest.mark.parametrize(
    ("images", "mask", "param"),
    [
        ([], None, "image"),
        ([png(), png()], None, "image"),
        ([png()], png(size=(32, 32), mode="RGBA"), "mask"),
        ([png()], png(), "mask"),
        ([b"no picture"], None, None),
    ],
)
def test_pictures_that_do_not_go_together_are_refused(
    sent: Sent, images: list[bytes], mask: bytes | None, param: str | None
) -> None:
    with pytest.raises(Refused) as refusal:
        edit(Edit(prompt="x"), MODEL, Received(images=images, mask=mask), sent)
    assert refusal.value.param == param
