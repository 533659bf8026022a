"""Adapters over a run: which steps they act at, exactly nothing outside, the weights as they were."""

import pytest
import torch
from torch import Tensor

from gesso.adapters.blocks import Strength
from gesso.adapters.course import Course, OverRun, controlled
from gesso.adapters.lora import Lora, open_lora
from gesso.adapters.site import Target
from gesso.conditioning.conditioning import Conditioning
from gesso.model import Model
from tests.adapters.made import factors, named, same, save, shapes_of, state

SIGMAS = (10.0, 5.0, 2.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("course", "factors"),
    [
        (Course(), [1, 1, 1, 1]),
        (Course(end=0.5), [1, 1, 0, 0]),
        (Course(start=0.5), [0, 0, 1, 1]),
        (Course(0.25, 0.5), [0, 1, 0, 0]),
        (Course(points=((0.0, 1.0), (1.0, 0.0))), [1, 0.75, 0.5, 0.25]),
        (Course(points=((0.25, 2.0), (0.5, 4.0))), [2, 2, 4, 4]),
        (Course(0.5, 1.0, ((0.0, 3.0),)), [0, 0, 3, 3]),
    ],
)
def test_a_course_is_a_factor_for_every_share_of_the_run(course: Course, factors: list[float]) -> None:
    assert [course(step / 4) for step in range(4)] == factors
    assert course.constant is (factors == [1, 1, 1, 1])


@pytest.fixture(params=["lora", "full"])
def lora(request: pytest.FixtureRequest, models: dict[str, Model], tmp_path_factory) -> Lora:
    """Of a kind that runs beside its layers, and of one that stands in for weights."""
    target = Target.of(models["sd1"])
    pairs = factors(shapes_of(target, "sd1"))
    tensors = named("sd1", "kohya", pairs)
    if request.param == "full":
        kept = {name.removesuffix(".lora_up.weight") for name in tensors if name.endswith("lora_up.weight")}
        sites = {name: target.site(name) for name in kept}
        tensors = {f"{name}.diff": torch.full(site.shape, 0.01) for name, site in sites.items() if site}
    path = save(tmp_path_factory.mktemp("lora") / "a.safetensors", tensors)
    return open_lora(path, target).at(Strength(1.0, 0.0))


def estimates(model: Model) -> list[Tensor]:
    """At every noise level of the run."""
    generator = torch.Generator().manual_seed(2)
    x, context = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 77, 64, generator=generator)
    with torch.inference_mode():
        return [model.denoiser(x * sigma, sigma, Conditioning(context)) for sigma in SIGMAS[:-1]]


def test_each_step_is_to_the_bit_what_its_factor_gives(models: dict[str, Model], lora: Lora) -> None:
    model = models["sd1"]
    plain, before = estimates(model), state(model)
    with lora.attached(model):
        whole = estimates(model)
    with lora.prepared(model).on(0.5):
        halved = estimates(model)
    course = Course(0.25, 1.0, ((0.25, 1.0), (0.5, 0.5)))
    with controlled(model, OverRun(lora.prepared(model), course, SIGMAS)):
        found = estimates(model)
    wanted = [plain[0], whole[1], halved[2], halved[3]]
    assert [torch.equal(one, other) for one, other in zip(found, wanted, strict=True)] == [True] * 4
    assert not torch.equal(plain[1], whole[1])
    assert not torch.equal(halved[2], whole[2])
    assert same(state(model), before)
    assert model.denoiser.controls == ()
    assert all(map(torch.equal, estimates(model), plain))


def test_a_weight_is_worked_out_anew_only_when_its_factor_changes(
    models: dict[str, Model], lora: Lora
) -> None:
    ready = lora.prepared(models["sd1"])
    for _ in range(2):
        with ready.on(0.5):
            pass
        first = dict(ready.made)
    with ready.on(0.5):
        assert all(ready.made[place] is made for place, made in first.items())
    with ready.on(0.25):
        assert all(ready.made[place] is not made for place, made in first.items())
