from pathlib import Path

import pytest
from PIL import Image

from gesso.errors import RequestError, Unsupported
from gesso.generation.events import Followed, Painted, Planned, Stepped
from gesso.generation.following import alone, followed, recorded
from gesso.generation.generate import generate, paint
from gesso.generation.replay import recalled
from gesso.generation.result import Origin, save
from gesso.model import Model, load
from gesso.request import FollowUp, LoraUse, Mask, Refiner, Request, Source
from tests.models import save_model

HIRES = FollowUp(source=Source(by=2, strength=0.5), steps=4)
FACE = FollowUp(source=Source(mask=Mask(box=(8, 8, 24, 16)), strength=0.5, only_masked=True), prompt="a face")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: save_model(folder / f"{name}.safetensors", name) for name in ("sd1", "sd2")}


@pytest.fixture(scope="module")
def model(files: dict[str, Path]) -> Model:
    return load(files["sd1"], device="cpu", dtype="float32")


def asked(*then: FollowUp, **fields: object) -> Request:
    said = {"prompt": "a {cat|dog}", "seed": 1, "steps": 2, "sampler": "euler", "cfg": 1.0}
    return Request.model_validate({**said, "then": then, **fields})


@pytest.mark.parametrize(
    "follow",
    [
        HIRES,
        FACE,
        FollowUp(source=Source(strength=0.5)),
        FollowUp(source=Source(by=1.5, strength=0.0, upscaler="nearest")),
    ],
)
def test_what_follows_is_a_request_over_the_picture_before(
    follow: FollowUp, model: Model, tmp_path: Path
) -> None:
    both = paint(model, asked(follow))
    base = paint(model, asked())
    path = tmp_path / "before.png"
    base.images[0].save(path)
    over = followed(base.requests[0], follow, 1)
    assert over.source is not None
    named = over.model_copy(update={"source": over.source.model_copy(update={"image": path})})
    if over.size is None and follow.source.by is None and follow.source.mask is None:
        named = named.model_copy(update={"size": base.images[0].size})
    assert both.images[0].tobytes() == paint(model, named).images[0].tobytes()


def test_all_is_counted_before_the_first_step_and_told_in_order(model: Model) -> None:
    events = list(generate(model, asked(HIRES, FACE, count=2)))
    assert isinstance(events[0], Planned)
    assert events[0].plan.canvas == (64, 64)
    assert [each.canvas for each in events[0].plan.then] == [(128, 128), (128, 128)]
    steps = [each for each in events if isinstance(each, Stepped)]
    assert [each.done for each in steps] == list(range(1, 2 * (2 + 2 + 1) + 1))
    assert {each.total for each in steps} == {events[0].plan.steps} == {10}
    kinds = [(type(each), each.picture) for each in events if isinstance(each, Followed | Painted)]
    assert kinds == [(Followed, 0), (Followed, 1)] * 2 + [(Painted, 0), (Painted, 1)]


def test_every_picture_on_the_way_carries_what_paints_it_alone(model: Model) -> None:
    for event in generate(model, asked(HIRES, FACE, count=2)):
        if isinstance(event, Followed | Painted):
            again = paint(model, event.request).images[0]
            assert again.tobytes() == event.image.tobytes()


def test_a_picture_alone_paints_itself_again_with_all_that_followed(
    model: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    other = FollowUp(source=Source(strength=0.5, by=2.0, upscaler="latent"), model=files["sd2"], seed=5)
    result = paint(model, asked(other, FACE, count=2))
    path = save(result.images[1], result.requests[1], Origin.of(model), tmp_path / "p.png")
    found, request = recalled(path)
    assert [each.seed for each in request.then] == [6, None]
    assert request.then[0].model_sha256
    assert paint(found, request).images[0].tobytes() == result.images[1].tobytes()
    changed = request.then[0].model_copy(update={"model_sha256": "0"})
    with pytest.raises(RequestError, match="has changed"):
        paint(found, request.model_copy(update={"then": (changed,)}))


def test_latents_are_enlarged_as_they_are(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    latent = FollowUp(source=Source(by=2, strength=0.5, upscaler="latent"))
    first = paint(model, asked(latent)).images[0]
    monkeypatch.setattr("gesso.generation.starting.encoded", None)
    assert paint(model, asked(latent)).images[0].tobytes() == first.tobytes()


def test_latents_of_a_file_are_what_it_is_encoded_to(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "s.png"
    Image.linear_gradient("L").resize((33, 31)).save(path)
    source = Source(image=path, by=2, strength=0.5, upscaler="latent")
    assert paint(model, asked(source=source)).images[0].size == (64, 64)


def test_other_noise_of_the_same_seed_lies_over_every_painting(model: Model) -> None:
    again = FollowUp(source=Source(strength=1.0))
    events = list(generate(model, asked(again, again)))
    images = [each.image.tobytes() for each in events if isinstance(each, Followed | Painted)]
    assert len(set(images)) == 3


def test_what_it_leaves_open_is_as_in_the_request() -> None:
    named = LoraUse(file=Path("a.pt"), named="lora:a")
    base = Request(
        prompt="a cat", cfg=3.0, sampler="euler", sampler_options={"s_churn": 1.0}, sigmas=(2.0, 1.0),
        loras=(LoraUse(file=Path("b.pt")), named), refiner=Refiner(model=Path("r")), noise_size=(64, 64),
    )  # fmt: skip
    same = followed(base, FollowUp(), 3)
    assert (same.prompt, same.cfg, same.sigmas, same.loras) == ("a cat", 3.0, (2.0, 1.0), base.loras)
    assert (same.size, same.noise_size, same.refiner) == (None, None, base.refiner)
    assert same.source == Source(strength=0.5, turn=3)
    other = followed(base, FollowUp(prompt="", sampler="heun", steps=3, model=Path("m"), cfg=0.0), 1)
    assert (other.prompt, other.cfg, other.sigmas, other.sampler_options) == ("", 0.0, None, {})
    assert (other.refiner, other.loras) == (None, base.loras[:1])


def test_what_was_found_out_is_kept_where_it_is_not_the_requests_own() -> None:
    use = LoraUse(file=Path("a.pt"))
    base = Request(seed=1, steps=2, loras=(use,))
    done = followed(base, FollowUp(), 1)
    assert recorded(base, FollowUp(), done, 1).loras is None
    found = done.model_copy(update={"loras": (use.model_copy(update={"sha256": "1"}),)})
    assert recorded(base, FollowUp(), found, 1).loras == found.loras


def test_choices_fall_for_every_picture_alone() -> None:
    follow = FollowUp(prompt="{1|2|3|4|5|6|7|8|9}", seed=7)
    full = Request(prompt="a {cat|dog}", seed=1, count=3, then=(follow,))
    found = [alone(full, picture).then[0] for picture in range(3)]
    assert [each.seed for each in found] == [7, 8, 9]
    assert all(each.prompt and len(each.prompt) == 1 and each.negative is None for each in found)


@pytest.mark.parametrize(
    "wrong",
    [
        FollowUp(source=Source(by=2, mask=Mask(box=(0, 0, 8, 8)))),
        FollowUp(source=Source(by=2, strength=0.0, upscaler="latent")),
        FollowUp(source=Source(strength=0.0, mask=Mask(box=(0, 0, 8, 8)))),
        FollowUp(source=Source(by=2), size=(64, 64)),
        FollowUp(source=Source(by=16), sampler="eular"),
        FollowUp(source=Source(upscaler=Path("x"))),
        FollowUp(source=Source(mask=Mask())),
    ],
)
def test_what_cannot_follow_is_refused_before_anything_is_painted(wrong: FollowUp, model: Model) -> None:
    with pytest.raises(RequestError):
        next(generate(model, asked(HIRES, wrong)))


def test_a_part_is_enlarged_with_the_whole_alone(model: Model) -> None:
    wrong = FollowUp(source=Source(by=2, mask=Mask(box=(0, 0, 8, 8))))
    with pytest.raises(Unsupported, match="enlarged as a whole"):
        next(generate(model, asked(wrong)))
