"""A control acts as strongly, where, when and for which rows it is told, and not at all beyond."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, Role, Window
from gesso.control.acting import Acting, Guide, Strength, soft
from gesso.control.file import open_control
from gesso.denoiser import Call
from tests.control.made import adapter_shapes, base_of, guided, lite_shapes, save, save_net, unet_of
from tests.models import random_weights

BASE = base_of("sd1")
TENSORS = random_weights(dict(BASE.unet), 0)
UNET = unet_of(BASE, TENSORS)
HINT = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module", params=["net", "adapter", "lite"])
def guide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Guide:
    path = tmp_path_factory.mktemp("controls") / "c.safetensors"
    if request.param == "net":
        save_net(path, "sd1")
    elif request.param == "adapter":
        save(path, random_weights(adapter_shapes((64, 128, 256, 256)), 2))
    else:
        layers = {
            name: size
            for name, size in BASE.unet.items()
            if name.startswith("input_blocks.3.1") and name.endswith("attn1.to_q.weight")
        }
        save(path, random_weights(lite_shapes(layers), 2))
    return guided(open_control(path, BASE), BASE, TENSORS)


def answer(
    *controls: Acting,
    sigma: float = 1.0,
    roles: tuple[Role, ...] = ("prompt", "negative"),
    window: Window | None = None,
) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(1, 4, 8, 8, generator=generator).expand(len(roles), -1, -1, -1)
    cond = Conditioning(torch.randn(len(roles), 5, 64, generator=generator), roles=roles, window=window)
    call = Call(UNET, x, torch.full((len(roles),), 500.0), sigma, cond)
    with torch.no_grad():
        if not controls:
            return UNET(call.inputs, call.t, cond.context, None)
        first, *others = controls
        with first.during(call) as one:
            if others:
                with others[0].during(call) as two:
                    total = two if one is None else one if two is None else one + two
                    told = () if total is None else (total,)
                    return UNET(call.inputs, call.t, cond.context, None, *told)
            return UNET(call.inputs, call.t, cond.context, None, *(() if one is None else (one,)))


def made(guide: Guide, weight: float = 1.0, **others: object) -> Acting:
    region = others.pop("region", None)
    assert region is None or isinstance(region, Tensor)
    strength = Strength(tuple(weight for _ in guide.soft), region)
    return Acting(guide, HINT, strength, others.pop("levels", (0.0, 99.0)), **others)


def test_it_changes_the_answer_and_is_gone_after(guide: Guide) -> None:
    plain = answer()
    assert not torch.allclose(answer(made(guide)), plain)
    assert torch.equal(answer(), plain)


def test_weight_0_is_nothing(guide: Guide) -> None:
    assert torch.equal(answer(made(guide, 0.0)), answer())


@pytest.mark.parametrize(
    ("sigma", "acts"), [(0.5, False), (1.0, False), (1.5, True), (2.0, True), (2.1, False)]
)
def test_it_acts_between_its_levels(guide: Guide, sigma: float, acts: bool) -> None:
    control = made(guide, levels=(1.0, 2.0))
    assert torch.equal(answer(control, sigma=sigma), answer()) is not acts


def test_on_the_prompt_alone_the_other_row_is_as_without(guide: Guide) -> None:
    both, one, plain = answer(made(guide)), answer(made(guide, prompted=True)), answer()
    assert torch.allclose(one[0], both[0], atol=1e-5)
    assert torch.allclose(one[1], plain[1], atol=1e-5)
    roles: tuple[Role, ...] = ("negative",)
    assert torch.equal(answer(made(guide, prompted=True), roles=roles), answer(roles=roles))


def test_a_white_region_is_all_and_a_black_one_nothing(guide: Guide) -> None:
    white, black = torch.ones(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    assert torch.allclose(answer(made(guide, region=white)), answer(made(guide)), atol=1e-5)
    assert torch.allclose(answer(made(guide, region=black)), answer(), atol=1e-5)


def test_several_add_up(guide: Guide) -> None:
    halves = answer(made(guide, 0.5), made(guide, 0.5))
    tolerance = 1e-4 * float(halves.abs().max())
    # a layer that is changed twice sees the first change
    if guide.soft != (1.0,):
        assert torch.allclose(halves, answer(made(guide, 1.0)), atol=tolerance)


def test_it_follows_the_type_of_the_call(guide: Guide) -> None:
    control = made(guide)
    answer(control)
    control.guide.network.to(torch.float64)
    assert answer(control).dtype == torch.float32


def test_pooled_additions_are_alike_everywhere() -> None:
    change = torch.rand(2, 3, 4, 5)
    found = Strength((2.0,), pooled=True)(0, change)
    assert torch.allclose(found, 2.0 * change.mean((2, 3), keepdim=True).expand_as(change))


def test_soft_weights_end_at_1_in_the_middle() -> None:
    assert soft(13)[-1] == 1.0
    assert soft(13)[0] == pytest.approx(0.825**12)


def test_an_inpaint_head_is_added_to_the_first_block(tmp_path: Path) -> None:
    path = save(tmp_path / "head.safetensors", random_weights({"head": (64, 5, 3, 3)}, 2))
    guide = guided(open_control(path, BASE), BASE, TENSORS)
    shown = torch.rand(1, 5, 8, 8)
    assert (guide.soft, guide.scale) == ((1.0,), 1)
    acting = Acting(guide, shown, Strength((0.5,)), (0.0, 99.0), prompted=True)
    cond = Conditioning(torch.zeros(2, 5, 64), roles=("prompt", "negative"))
    call = Call(UNET, torch.zeros(2, 4, 8, 8), torch.zeros(2), 1.0, cond)
    with torch.no_grad(), acting.during(call) as additions:
        assert additions is not None
        wanted = guide.network(shown)[0] * 0.5
    assert [*additions.inputs] == [0]
    assert additions.middle is None
    assert not additions.skips
    torch.testing.assert_close(additions.inputs[0][0], wanted)
    assert not additions.inputs[0][1].any()


def test_in_a_window_it_is_shown_that_part_of_its_picture(guide: Guide) -> None:
    """Of a picture twice as large, the window that the other control's whole picture is."""
    large = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    region = torch.rand(1, 1, 128, 128, generator=torch.Generator().manual_seed(5))
    large[..., 32:96, 64:] = HINT
    window = (slice(4, 12), slice(8, 16))
    found = answer(replace(made(guide, region=region), pixels=large), window=window)
    assert torch.equal(found, answer(made(guide, region=region[..., 32:96, 64:])))
    assert not torch.equal(found, answer(made(guide)))
