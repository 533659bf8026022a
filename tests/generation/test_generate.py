from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from gesso.errors import NotFinite, RequestError
from gesso.generation.events import Finished, Painted, Planned, Stepped
from gesso.generation.generate import generate, paint
from gesso.model import Model, load
from gesso.request import Refiner, Request, Source
from gesso.sampling.samplers import SAMPLERS
from tests.models import save_model

FAMILIES = ("sd1", "sd1-inpainting", "sd2", "sdxl", "sdxl-refiner")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: save_model(folder / f"{name}.safetensors", name) for name in FAMILIES}


@pytest.fixture(scope="module")
def models(files: dict[str, Path]) -> dict[str, Model]:
    return {name: load(path, device="cpu", dtype="float32") for name, path in files.items()}


@pytest.fixture
def rows(models: dict[str, Model]) -> Iterator[Counter[str]]:
    """Rows of latents that each model's UNet was given."""
    seen: Counter[str] = Counter()

    def counter(name: str) -> object:
        def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...], __: object) -> None:
            seen[name] += inputs[0].shape[0]

        return hook

    handles = [model.denoiser.network.register_forward_hook(counter(name)) for name, model in models.items()]
    yield seen
    for handle in handles:
        handle.remove()


def pixels(image: Image.Image) -> bytes:
    return image.tobytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_paints_the_same_picture_twice(family: str, models: dict[str, Model]) -> None:
    request = Request(prompt="a (red:1.3) apple", negative="blurry", seed=7)
    first, second = (paint(models[family], request).images[0] for _ in range(2))
    assert first.size == (64, 64)
    assert pixels(first) == pixels(second)
    assert len(set(pixels(first))) > 16


@pytest.mark.parametrize("family", FAMILIES)
def test_the_words_matter(family: str, models: dict[str, Model]) -> None:
    cat, dog = (paint(models[family], Request(prompt=each, seed=7)).images[0] for each in ("a cat", "a dog"))
    assert pixels(cat) != pixels(dog)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_picture_i_is_what_seed_plus_i_gives_alone(sampler: str, models: dict[str, Model]) -> None:
    request = Request(prompt="a cat", seed=5, count=2, sampler=sampler, steps=4)
    together = paint(models["sd1"], request)
    alone = [paint(models["sd1"], each).images[0] for each in together.requests]
    assert [each.seed for each in together.requests] == [5, 6]
    assert [pixels(image) for image in together.images] == [pixels(image) for image in alone]


def test_what_happens_is_told_in_order(models: dict[str, Model]) -> None:
    events = list(generate(models["sd1"], Request(prompt="a cat", count=2, steps=3, sampler="euler")))
    kinds = [type(event) for event in events]
    assert kinds == [Planned, *[Stepped] * 3, Painted, *[Stepped] * 3, Painted, Finished]
    assert [event.done for event in events if isinstance(event, Stepped)] == [1, 2, 3, 4, 5, 6]


def test_a_preview_is_a_small_picture(models: dict[str, Model]) -> None:
    for event in generate(models["sd1"], Request(prompt="a cat", size=(512, 256), steps=1)):
        if isinstance(event, Stepped):
            assert event.preview().size == (192, 96)


def test_closing_cancels_within_a_step(models: dict[str, Model], rows: Counter[str]) -> None:
    events = generate(models["sd1"], Request(prompt="a cat", steps=10, sampler="euler", cfg=1.0))
    while not isinstance(next(events), Stepped):
        pass
    events.close()
    assert rows["sd1"] == 1


@pytest.mark.parametrize(("cfg", "expected"), [(1.0, 6), (2.0, 12)])
def test_guidance_off_halves_the_work(
    cfg: float, expected: int, models: dict[str, Model], rows: Counter[str]
) -> None:
    paint(models["sd1"], Request(prompt="a cat", steps=6, sampler="euler", cfg=cfg))
    assert rows["sd1"] == expected


def test_the_plan_counts_the_work_that_is_done(models: dict[str, Model], rows: Counter[str]) -> None:
    request = Request(prompt="a cat", steps=6, sampler="heun", schedule="normal", cfg=3.0)
    events = list(generate(models["sd1"], request))
    assert isinstance(events[0], Planned)
    assert rows["sd1"] == events[0].plan.evaluations


def test_the_refiner_continues_the_same_run(
    files: dict[str, Path], models: dict[str, Model], monkeypatch: pytest.MonkeyPatch, rows: Counter[str]
) -> None:
    monkeypatch.setattr("gesso.generation.planning.load", lambda *_, **__: models["sdxl-refiner"])
    refiner = Refiner(model=files["sdxl-refiner"], start=0.5)
    request = Request(prompt="a cat", steps=10, sampler="euler", cfg=1.0, seed=1, refiner=refiner)
    both = paint(models["sdxl"], request)
    assert rows["sdxl"] + rows["sdxl-refiner"] == 10
    assert rows["sdxl-refiner"] > 0
    alone = paint(models["sdxl"], request.model_copy(update={"refiner": None}))
    assert pixels(both.images[0]) != pixels(alone.images[0])


def test_a_base_as_its_own_refiner_changes_nothing(
    files: dict[str, Path], models: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gesso.generation.planning.load", lambda *_, **__: models["sdxl"])
    request = Request(prompt="a cat", steps=10, sampler="euler_ancestral", seed=1)
    split = request.model_copy(update={"refiner": Refiner(model=files["sdxl"], start=0.5)})
    whole, parts = (paint(models["sdxl"], each).images[0] for each in (request, split))
    assert pixels(whole) == pixels(parts)


def test_image_to_image_keeps_more_at_less_strength(tmp_path: Path, models: dict[str, Model]) -> None:
    path = tmp_path / "source.png"
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(path)

    def distance(strength: float) -> float:
        source = Source(image=path, strength=strength)
        request = Request(prompt="a cat", seed=1, steps=20, sampler="euler", source=source)
        with torch.inference_mode():
            events = [e for e in generate(models["sd1"], request) if isinstance(e, Stepped)]
        unchanged = Request(prompt="a cat", seed=1, sigmas=(1e-4,), source=Source(image=path, strength=1.0))
        still = [e for e in generate(models["sd1"], unchanged) if isinstance(e, Stepped)]
        return float((events[-1].step.x - still[-1].step.x).pow(2).mean())

    assert distance(0.1) < distance(0.9)


def test_a_source_that_is_no_picture_is_refused(tmp_path: Path, models: dict[str, Model]) -> None:
    path = tmp_path / "source.png"
    path.write_text("not a picture")
    with pytest.raises(RequestError, match="must be a picture"):
        paint(models["sd1"], Request(source=Source(image=path)))


def broken(network: nn.Module, until: torch.dtype | None) -> "torch.utils.hooks.RemovableHandle":
    """Make a network answer NaN, up to the type that is wide enough."""

    def hook(module: nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
        wide = next(module.parameters()).dtype == until
        return output if wide else output * float("nan")

    return network.register_forward_hook(hook)


def test_overflowing_latents_are_painted_again_in_a_wider_type(files: dict[str, Path]) -> None:
    model = load(files["sd1"], device="cpu", dtype="bfloat16")
    before = {name: tensor.clone() for name, tensor in model.denoiser.network.state_dict().items()}
    handle = broken(model.denoiser.network, torch.float32)
    result = paint(model, Request(prompt="a cat", seed=1))
    handle.remove()
    assert any("float32" in note for note in result.notes)
    assert len(set(pixels(result.images[0]))) > 16
    after = model.denoiser.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_an_overflowing_decoder_is_asked_again_in_a_wider_type(files: dict[str, Path]) -> None:
    model = load(files["sd1"], device="cpu", dtype="bfloat16")
    handle = broken(model.vae.decoder, torch.float32)
    result = paint(model, Request(prompt="a cat", seed=1))
    handle.remove()
    assert any("decoded in float32" in note for note in result.notes)


def test_numbers_that_overflow_everywhere_are_never_a_picture(files: dict[str, Path]) -> None:
    model = load(files["sd1"], device="cpu", dtype="bfloat16")
    for network in (model.denoiser.network, model.vae.decoder):
        handle = broken(network, None)
        with pytest.raises(NotFinite):
            paint(model, Request(prompt="a cat", seed=1))
        handle.remove()
