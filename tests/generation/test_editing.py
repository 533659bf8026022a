import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from gesso.errors import RequestError
from gesso.generation.canvas import Box, Growth, Seen, border_stages, masked_stage
from gesso.generation.editing import Canvas, opened, prepared, surveyed
from gesso.generation.events import Stepped
from gesso.generation.generate import generate, paint
from gesso.generation.masks import bounds, opacity
from gesso.generation.planning import make_plan
from gesso.model import Model, load
from gesso.request import Extend, FollowUp, Mask, Request, Source
from tests.models import save_model
from tests.onnx_files import detector

FAMILIES = ("sd1", "sd1-inpainting", "sd1-instruct", "sd2", "sdxl")
FILLS = ("original", "neighbour", "patch", "blur", "noise", "nothing")
# A fill by pieces that look alike draws its first guesses, and they are not drawn mirrored.
SYMMETRIC = tuple(each for each in FILLS if each != "patch")
Bytes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    files = {name: save_model(folder / f"{name}.safetensors", name) for name in FAMILIES}
    return {name: load(path, device="cpu", dtype="float32") for name, path in files.items()}


def picture(seed: int, size: tuple[int, int] = (64, 64), channels: int = 3) -> Bytes:
    """Random pixels, softened so that an autoencoder has something to see."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (8, 8, channels), dtype=np.uint8)
    smooth = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(smooth) ^ random.integers(0, 8, (size[1], size[0], channels), dtype=np.uint8)


def rectangle(box: tuple[int, int, int, int], size: tuple[int, int] = (64, 64), value: int = 255) -> Bytes:
    mask = np.zeros((size[1], size[0]), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = value
    return mask


def saved(path: Path, pixels: Bytes) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def edited(model: Model, source: Source, *, seed: int = 1, prompt: str = "a cat", steps: int = 1) -> Bytes:
    request = Request(prompt=prompt, seed=seed, steps=steps, sampler="euler", cfg=1.0, source=source)
    return np.asarray(paint(model, request).images[0])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    family=st.sampled_from(FAMILIES),
    channels=st.sampled_from([3, 4]),
    seed=st.integers(0, 1000),
    box=st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(54, 64)] * 2)
    | st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(24, 40)] * 2),
    mask=st.builds(
        Mask,
        grow=st.integers(-1, 6),
        blur=st.sampled_from([0.0, 1.5]),
        feather=st.integers(0, 8),
    ),
    source=st.fixed_dictionaries(
        {
            "fill": st.sampled_from(FILLS),
            "soft": st.sampled_from(["strength", "blend"]),
            "only_masked": st.booleans(),
            "padding": st.integers(0, 20),
            "match": st.sampled_from(["smooth", "ring", "none"]),
            "hold": st.booleans(),
            "strength": st.sampled_from([0.5, 1.0]),
        }
    ),
)
def test_outside_the_mask_every_byte_is_kept_and_inside_it_changes(  # noqa: PLR0917 - what is drawn at random
    family: str,
    channels: int,
    seed: int,
    box: tuple[int, int, int, int],
    mask: Mask,
    source: dict[str, object],
    models: dict[str, Model],
    tmp_path: Path,
) -> None:
    before = picture(seed, channels=channels)
    named = mask.model_copy(update={"image": saved(tmp_path / "m.png", rectangle(box))})
    whole = Source.model_validate({"image": saved(tmp_path / "s.png", before), "mask": named, **source})
    painted = opened(whole).mask
    assert painted is not None
    after = edited(models[family], whole)
    assert after.shape == before.shape
    assert np.array_equal(after[painted == 0], before[painted == 0])
    # a mask so small that the painting nowhere gets through its fade may round to what was there
    through = opacity(painted, whole.soft, named.feather) == 1
    assert through.sum() < 16 or (after != before)[through].any()


def test_a_detector_finds_what_is_painted(models: dict[str, Model], tmp_path: Path) -> None:
    found = np.array([[[8, 8, 40, 32, 0.9, 0], [50, 50, 60, 60, 0.4, 0]]])
    mask = Mask(image=detector(tmp_path / "d.onnx", found), options={"score": 0.5}, feather=0)
    source = Source(image=saved(tmp_path / "s.png", picture(0)), mask=mask, strength=1.0, only_masked=True)
    before, after = picture(0), edited(models["sd1"], source)
    outside = rectangle((8, 8, 40, 32)) == 0
    assert np.array_equal(after[outside], before[outside])
    assert (after != before)[~outside].any()
    changed = mask.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(RequestError, match="must be the file"):
        edited(models["sd1"], source.model_copy(update={"mask": changed}))
    to_come = FollowUp(source=Source(mask=mask, only_masked=True))
    with pytest.raises(RequestError, match="a picture in a file"):
        paint(models["sd1"], Request(prompt="a cat", steps=1, then=(to_come,)))


@pytest.mark.parametrize("family", ["sd1", "sd1-inpainting"])
def test_ten_edits_in_a_row_keep_what_none_of_them_paints(
    family: str, models: dict[str, Model], tmp_path: Path
) -> None:
    before = picture(0, channels=4)
    random = np.random.default_rng(0)
    free, path = np.ones((64, 64), np.bool_), saved(tmp_path / "0.png", before)
    for turn in range(10):
        left, top = random.integers(0, 40, 2)
        mask = rectangle((left, top, left + 14, top + 14))
        free &= mask == 0
        source = Source(image=path, mask=Mask(image=saved(tmp_path / "m.png", mask)), strength=1.0)
        after = edited(models[family], source, seed=turn)
        path = saved(tmp_path / f"{turn}.png", after)
    assert np.array_equal(np.asarray(Image.open(path))[free], before[free])
    assert (np.asarray(Image.open(path)) != before).any()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "growth", [(24, 0, 0, 0), (0, 16, 0, 0), (0, 0, 40, 0), (0, 0, 0, 8), (40, 13, 9, 50)]
)
def test_a_source_keeps_every_byte_on_a_larger_canvas(
    family: str, growth: tuple[int, int, int, int], models: dict[str, Model], tmp_path: Path
) -> None:
    before = picture(1, channels=4)
    extend = Extend(left=growth[0], up=growth[1], right=growth[2], down=growth[3])
    source = Source(image=saved(tmp_path / "s.png", before), extend=extend, strength=0.9)
    after = edited(models[family], source)
    assert after.shape == (64 + growth[1] + growth[3], 64 + growth[0] + growth[2], 4)
    inner = (slice(growth[1], growth[1] + 64), slice(growth[0], growth[0] + 64))
    assert np.array_equal(after[inner], before)
    around = np.ones(after.shape[:2], np.bool_)
    around[inner] = False
    assert (after[around][:, 3] == 255).all()
    assert len(np.unique(after[around], axis=0)) > around.sum() // 8


def test_an_overlap_paints_into_the_source_so_far_and_no_farther(
    models: dict[str, Model], tmp_path: Path
) -> None:
    before = picture(1)
    path = saved(tmp_path / "s.png", before)
    source = Source(image=path, extend=Extend(left=16, overlap=8), strength=1.0)
    after = edited(models["sd1"], source)[:, 16:]
    assert np.array_equal(after[:, 8:], before[:, 8:])
    assert (after[:, :8] != before[:, :8]).any()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_mask_that_paints_all_is_no_mask(
    family: str, strength: float, models: dict[str, Model], tmp_path: Path
) -> None:
    path = saved(tmp_path / "s.png", picture(2))
    mask = Mask(image=saved(tmp_path / "m.png", np.full((64, 64), 255, np.uint8)))
    whole = Source(image=path, strength=strength)
    everything = whole.model_copy(update={"mask": mask})
    assert np.array_equal(edited(models[family], everything, steps=4), edited(models[family], whole, steps=4))


@pytest.mark.parametrize("family", ["sd1", "sd1-inpainting", "sd2", "sdxl"])
def test_full_strength_over_everything_is_text_to_image(
    family: str, models: dict[str, Model], tmp_path: Path
) -> None:
    mask = Mask(image=saved(tmp_path / "m.png", np.full((64, 64), 255, np.uint8)))
    source = Source(image=saved(tmp_path / "s.png", picture(2)), mask=mask, strength=1.0)
    request = Request(prompt="a cat", seed=4)
    free, masked = (
        paint(models[family], each).images[0]
        for each in (request, request.model_copy(update={"source": source}))
    )
    assert free.tobytes() == masked.tobytes()


def test_an_empty_mask_gives_the_source_and_says_so(models: dict[str, Model], tmp_path: Path) -> None:
    before = picture(3)
    mask = Mask(image=saved(tmp_path / "m.png", np.zeros((64, 64), np.uint8)))
    source = Source(image=saved(tmp_path / "s.png", before), mask=mask)
    result = paint(models["sd1"], Request(prompt="a cat", source=source))
    assert np.array_equal(np.asarray(result.images[0]), before)
    assert any("empty" in note for note in result.notes)


def first_noise(model: Model, source: Source, size: tuple[int, int]) -> torch.Tensor:
    """Latents before the first step, in units of its noise level: one step towards nothing away."""
    request = Request(prompt="x", seed=1, steps=2, sampler="euler", size=size, cfg=1.0, source=source)
    started: list[torch.Tensor] = []
    handle = model.denoiser.network.register_forward_hook(lambda _, given, __: started.append(given[0]))
    events = generate(model, request)
    while not started:
        next(events)
    handle.remove()
    sigma = make_plan(model, request).sigmas[0]
    return started[0][:, :4] / model.denoiser.prediction(sigma).input / sigma


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("family", ["sd1", "sd1-inpainting"])
def test_full_strength_starts_from_the_samplers_own_noise(
    family: str, fill: str, models: dict[str, Model], tmp_path: Path
) -> None:
    size = (256, 256)
    mask = saved(tmp_path / "m.png", rectangle((0, 0, 128, 256), size))
    image = saved(tmp_path / "s.png", picture(2, size))
    masked = Source.model_validate({"image": image, "mask": mask, "fill": fill, "strength": 1.0})
    noise = first_noise(models[family], masked, size)[..., :16]
    assert noise.mean().abs() < 0.1
    assert noise.var() == pytest.approx(1.0, rel=0.1)
    plain = first_noise(models[family], Source(image=image, strength=1.0), size)[..., :16]
    assert torch.equal(noise, plain)


@pytest.mark.parametrize("fill", FILLS)
def test_every_fill_starts_from_something_else(fill: str, models: dict[str, Model], tmp_path: Path) -> None:
    mask = saved(tmp_path / "m.png", rectangle((16, 16, 48, 48)))
    image = saved(tmp_path / "s.png", picture(2))
    found = {
        each: edited(
            models["sd1"],
            Source.model_validate({"image": image, "mask": mask, "fill": each, "strength": 0.5}),
            steps=2,
        ).tobytes()
        for each in FILLS
    }
    assert sum(found[fill] == other for other in found.values()) == 1


@pytest.mark.parametrize("family", ["sd1", "sd1-inpainting"])
def test_a_soft_mask_paints_more_where_it_is_higher(
    family: str, models: dict[str, Model], tmp_path: Path
) -> None:
    mask = np.repeat(np.repeat(np.array([0, 64, 128, 255], np.uint8), 16)[None], 64, axis=0)
    source = Source(
        image=saved(tmp_path / "s.png", picture(5)),
        mask=Mask(image=saved(tmp_path / "m.png", mask), feather=0),
        strength=1.0,
        match="none",
    )
    request = Request(prompt="a cat", seed=1, steps=12, sampler="euler", source=source)
    model = models[family]
    *_, step = (event.step for event in generate(model, request) if isinstance(event, Stepped))
    with torch.inference_mode():
        pixels = torch.from_numpy(picture(5) / 127.5 - 1).float().permute(2, 0, 1)[None]
        clean = model.latents(model.vae.encode(pixels).mean)
    change = (step.x - clean).pow(2).mean((0, 1, 2)).view(4, 2).mean(1)
    assert (change.diff() > 0).all()
    assert change[0] < 1e-6


@pytest.mark.parametrize(
    ("family", "hold"), [*((family, True) for family in FAMILIES), ("sd1-inpainting", False)]
)
def test_another_mask_gives_another_picture(
    family: str, hold: bool, models: dict[str, Model], tmp_path: Path
) -> None:
    """Also where both masks paint: the model knows of the difference, not only the composite."""
    image = saved(tmp_path / "s.png", picture(6))
    boxes = ((16, 16, 48, 48), (16, 16, 64, 48))
    first, second = (
        edited(
            models[family],
            Source(
                image=image,
                mask=Mask(image=saved(tmp_path / f"{box[2]}.png", rectangle(box)), feather=0),
                match="none",
                hold=hold,
                strength=1.0,
            ),
            steps=3,
        )
        for box in boxes
    )
    both = (slice(16, 48), slice(16, 48))
    assert (first[both] != second[both]).any()


def test_a_picture_is_what_it_is_alone_and_again(models: dict[str, Model], tmp_path: Path) -> None:
    mask = Mask(image=saved(tmp_path / "m.png", rectangle((8, 8, 40, 40))))
    image = saved(tmp_path / "s.png", picture(7))
    source = Source(image=image, mask=mask, extend=Extend(right=40), fill="noise")
    request = Request(prompt="a cat", seed=3, count=2, steps=3, sampler="euler_ancestral", source=source)
    together = paint(models["sd1"], request)
    for one, alone in zip(together.images, together.requests, strict=True):
        assert paint(models["sd1"], alone).images[0].tobytes() == one.tobytes()
        told = alone.source
        assert told is not None
        assert told.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
        assert told.mask is not None
        assert told.mask.sha256 == hashlib.sha256((tmp_path / "m.png").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["s.png", "m.png"])
def test_files_that_have_changed_are_refused(name: str, models: dict[str, Model], tmp_path: Path) -> None:
    mask = Mask(image=saved(tmp_path / "m.png", rectangle((8, 8, 40, 40))))
    source = Source(image=saved(tmp_path / "s.png", picture(7)), mask=mask)
    request = make_plan(models["sd1"], Request(source=source)).request
    saved(tmp_path / name, picture(8))
    with pytest.raises(RequestError, match="has changed"):
        paint(models["sd1"], request)


def test_also_a_source_without_a_mask_is_known_by_its_hash(models: dict[str, Model], tmp_path: Path) -> None:
    source = Source(image=saved(tmp_path / "s.png", picture(7)))
    request = make_plan(models["sd1"], Request(source=source)).request
    saved(tmp_path / "s.png", picture(8))
    with pytest.raises(RequestError, match="has changed"):
        paint(models["sd1"], request)


def test_stages_count_as_work(models: dict[str, Model], tmp_path: Path) -> None:
    source = Source(image=saved(tmp_path / "s.png", picture(7)), extend=Extend(left=64), strength=1.0)
    request = Request(source=source, steps=3, sampler="euler", cfg=1.0, count=2)
    plan = make_plan(models["sd1"], request)
    assert (plan.rounds, plan.steps, plan.evaluations) == (4, 12, 12)
    events = [event for event in generate(models["sd1"], request) if isinstance(event, Stepped)]
    assert [event.done for event in events] == list(range(1, 13))
    assert {event.total for event in events} == {12}


def masked(tmp_path: Path, mask: Bytes | None, asked: Mask, channels: int = 3) -> Bytes:
    """The mask that a request comes to."""
    image = saved(tmp_path / "s.png", picture(1, channels=channels))
    if mask is not None:
        asked = asked.model_copy(update={"image": saved(tmp_path / "m.png", mask)})
    found = opened(Source(image=image, mask=asked)).mask
    assert found is not None
    return found


def test_what_a_mask_means_is_chosen(tmp_path: Path) -> None:
    grey = rectangle((8, 8, 40, 40), value=200)
    assert np.array_equal(masked(tmp_path, grey, Mask()), grey)
    assert np.array_equal(masked(tmp_path, grey, Mask(paint="black")), 255 - grey)
    clear = np.dstack([np.full((64, 64, 3), 9, np.uint8), grey])
    assert np.array_equal(masked(tmp_path, clear, Mask(paint="opaque")), grey)
    assert np.array_equal(masked(tmp_path, clear, Mask(paint="transparent")), 255 - grey)


def test_without_a_file_a_sources_transparency_is_the_mask(tmp_path: Path) -> None:
    source = picture(1, channels=4)
    assert np.array_equal(masked(tmp_path, None, Mask(), channels=4), 255 - source[..., 3])
    with pytest.raises(RequestError, match="no transparency"):
        masked(tmp_path, None, Mask())


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="32x48, the source 64x64"):
        masked(tmp_path, np.zeros((48, 32), np.uint8), Mask())


def test_what_is_no_picture_of_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(path)
    with pytest.raises(RequestError, match="8 bits"):
        opened(Source(image=path))
    path.write_text("words")
    with pytest.raises(RequestError, match="must be a picture"):
        opened(Source(image=path))
    with pytest.raises(RequestError, match="No such file"):
        surveyed(Request(source=Source(image=tmp_path / "missing.png")))


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    picture_of = Image.fromarray(picture(1, (32, 16)))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture_of.save(tmp_path / "s.png", exif=exif)
    assert opened(Source(image=tmp_path / "s.png")).pixels.shape == (32, 16, 3)


@pytest.mark.parametrize("turn", [np.fliplr, np.flipud])
@pytest.mark.parametrize("fill", SYMMETRIC)
@pytest.mark.parametrize("channels", [3, 4])
def test_a_mirrored_picture_is_shown_mirrored(
    turn: Callable[[Bytes], Bytes], fill: str, channels: int
) -> None:
    source = Source.model_validate({"image": "x.png", "fill": fill, "only_masked": True})
    pixels, mask = picture(3, (96, 80), channels), rectangle((10, 20, 31, 50), (96, 80))
    shown = [
        prepared(
            each,
            masked_stage(_bounds(at), (96, 80), (64, 64), 8, padding=8),
            source,
            np.ascontiguousarray(at),
        )
        for each, at in ((pixels, mask), (turn(pixels), turn(mask)))
    ]
    _same(shown, turn, 0)


@pytest.mark.parametrize("fill", SYMMETRIC)
@pytest.mark.parametrize("channels", [3, 4])
def test_opposite_borders_are_shown_mirrored(fill: str, channels: int) -> None:
    source = Source.model_validate({"image": "x.png", "fill": fill, "extend": {"overlap": 4}})
    pixels = picture(3, (96, 80), channels)
    for turn, ways in ((np.fliplr, ("left", "right")), (np.flipud, ("up", "down"))):
        shown: list[Canvas] = []
        for way, each in zip(ways, (pixels, turn(pixels)), strict=True):
            (stage,) = border_stages((96, 80), replace(Growth(), **{way: 32}), (64, 64), 8)
            shown.append(prepared(each, stage, source, None))
        _same(shown, turn, 0)


def _bounds(mask: Bytes):
    box = bounds(mask)
    assert box is not None
    return box


def _same(shown: Sequence[Canvas], turn: Callable[[Bytes], Bytes], tolerance: int) -> None:
    one, other = shown
    assert np.array_equal(turn(one.hole), other.hole)
    difference = turn(np.asarray(one.shown)).astype(int) - np.asarray(other.shown)
    assert abs(difference).max() <= tolerance


def test_seen_is_known_of_every_picture_that_is_painted_over(tmp_path: Path) -> None:
    image = saved(tmp_path / "s.png", picture(1, (40, 24)))
    assert surveyed(Request())[1] is None
    assert surveyed(Request(source=Source(image=image)))[1] == Seen((40, 24), None)
    assert surveyed(Request(source=Source(image=image, extend=Extend(left=8))))[1] == Seen((40, 24), None)


def test_a_source_that_names_nothing_is_the_picture_before(tmp_path: Path) -> None:
    box = Mask(box=(8, 4, 16, 8))
    request = Request(source=Source(mask=box))
    assert surveyed(request, (40, 24))[1] == Seen((40, 24), Box(8, 4, 24, 12))
    before = picture(1, (40, 24))
    found = opened(Source(mask=box), before)
    assert np.array_equal(found.pixels, before)
    assert found.mask is not None
    assert np.array_equal(found.mask, rectangle((8, 4, 24, 12), (40, 24)))
    with pytest.raises(RequestError, match="must name a picture"):
        surveyed(request)
    with pytest.raises(RequestError, match="must lie within 40x24, however: it is 16x8\\+30\\+4"):
        opened(Source(mask=Mask(box=(30, 4, 16, 8))), before)
