from pathlib import Path

import pytest
import torch
from torch import nn

from gesso.errors import RequestError, Unsupported
from gesso.generation.events import Planned
from gesso.generation.generate import generate, paint
from gesso.generation.planning import make_plan
from gesso.generation.wording import estimates, moments, named_extras, spoken
from gesso.model import Model, load
from gesso.request import Blend, Request
from tests.models import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = save_model(tmp_path_factory.mktemp("model") / "sd1.safetensors", "sd1")
    return load(path, device="cpu", dtype="float32")


def test_the_seed_chooses_and_styles_are_applied(tmp_path: Path):
    file = tmp_path / "styles.csv"
    file.write_text("name,prompt,negative_prompt\nink,ink of {prompt},blurry\n")
    request = Request(prompt="a {cat|dog}", seed=3, styles=("ink",), styles_file=file)
    said = spoken(request, 1)
    assert said.prompt in {"ink of a cat", "ink of a dog"}
    assert said.negative == "blurry"
    assert spoken(said) == said
    assert said.prompt == spoken(request.model_copy(update={"seed": 4})).prompt
    with pytest.raises(RequestError, match="--styles-file"):
        spoken(Request(styles=("ink",)))


def test_positive_and_negative_change_each_at_its_step():
    found = moments(Request(prompt="[a:b:0.5]", negative="[c:d:2]", cfg=2.0), 10)
    assert [span.until for span, _ in found] == [2, 5, 10]


def test_without_guidance_only_a_composition_asks_for_the_negative():
    assert [negative for _, negative in moments(Request(prompt="a", negative="[b:c:2]", cfg=1.0), 10)] == [
        None
    ]
    ((_, negative),) = moments(Request(prompt="a AND b", cfg=1.0), 10)
    assert negative is not None
    assert estimates(Request(prompt="a AND b"), 2) == (2, 2)


def test_and_in_a_negative_is_said_in_one():
    ((_, negative),) = moments(Request(prompt="a", negative="b AND c", cfg=2.0), 10)
    assert negative is not None
    assert len(negative.shares) == 1


def test_what_a_prompt_names_but_is_not_attached_is_refused(model: Model):
    request = Request(prompt="a <lora:ink:0.5>")
    assert named_extras(request) == ("<lora:ink>",)
    with pytest.raises(Unsupported, match="<lora:ink>"):
        make_plan(model, request)


def painted(model: Model, prompt: str, **fields: object) -> bytes:
    request = Request.model_validate(
        {"prompt": prompt, "seed": 1, "steps": 4, "sampler": "euler", "cfg": 3.0} | fields
    )
    return paint(model, request).images[0].tobytes()


def test_a_schedule_that_never_fires_paints_what_is_told_throughout(model: Model):
    assert painted(model, "a [cat:dog:1.0]") == painted(model, "a cat")
    assert painted(model, "a [cat:dog:0]") == painted(model, "a dog")
    assert len({painted(model, each) for each in ("a cat", "a dog", "a [cat:dog:0.5]", "a [cat|dog]")}) == 4


def test_the_network_is_told_each_step_s_words(model: Model):
    seen: list[torch.Tensor] = []

    def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...], __: object) -> None:
        seen.append(inputs[2][0])

    handle = model.denoiser.network.register_forward_hook(hook)
    painted(model, "a [cat:dog:0.5]", steps=6)
    handle.remove()
    same = [bool(torch.equal(each, seen[0])) for each in seen]
    assert same == [True] * 3 + [False] * 3


def test_a_composition_is_one_call_and_the_plan_counts_it(model: Model):
    rows: list[int] = []
    handle = model.denoiser.network.register_forward_hook(
        lambda _, inputs, __: rows.append(inputs[0].shape[0])
    )
    request = Request(prompt="a cat AND a dog :0.5 AND snow :-1", steps=4, sampler="euler", cfg=3.0)
    events = list(generate(model, request))
    handle.remove()
    assert rows == [4, 4, 4, 4]
    assert isinstance(events[0], Planned)
    assert events[0].plan.evaluations == 16


def test_half_and_half_of_the_same_is_the_whole(model: Model):
    whole = torch.frombuffer(bytearray(painted(model, "a cat")), dtype=torch.uint8).int()
    halves = torch.frombuffer(bytearray(painted(model, "a cat :0.5 AND a cat :0.5")), dtype=torch.uint8).int()
    assert int((whole - halves).abs().max()) <= 1


def test_choices_fall_for_every_picture_as_its_seed_alone_makes_them(model: Model):
    request = Request(prompt="a {cat|dog|red house|snow}", seed=1, count=3, steps=2, sampler="euler")
    result = paint(model, request)
    for image, alone in zip(result.images, result.requests, strict=True):
        assert "{" not in alone.prompt
        assert paint(model, alone).images[0].tobytes() == image.tobytes()


@pytest.mark.parametrize("dialect", ["a1111", "comfy", "compel", "plain"])
def test_a_prompt_without_syntax_is_the_same_picture_in_every_dialect(model: Model, dialect: str):
    assert painted(model, "a cat on a hill", dialect=dialect) == painted(model, "a cat on a hill")


def test_a_blend_is_spoken_and_told_with_the_prompt(model: Model) -> None:
    request = Request(prompt="a cat", seed=1, steps=1, blend=Blend(prompt="a {dog|dog}", share=0.5))
    said = spoken(request)
    assert said.blend == Blend(prompt="a dog", share=0.5)
    ((span, _),) = moments(said, 1)
    assert [share for _, share in span.told[0].shares] == [0.5, 0.5]
    with pytest.raises(Unsupported, match="<lora:x>"):
        make_plan(model, request.model_copy(update={"blend": Blend(prompt="<lora:x:1>")}))
    ends = [
        paint(model, request.model_copy(update={"blend": Blend(prompt="a dog", share=share)})).images[0]
        for share in (0.0, 0.5, 1.0)
    ]
    assert ends[0].tobytes() == paint(model, Request(prompt="a cat", seed=1, steps=1)).images[0].tobytes()
    assert ends[2].tobytes() == paint(model, Request(prompt="a dog", seed=1, steps=1)).images[0].tobytes()
    assert len({each.tobytes() for each in ends}) == 3
