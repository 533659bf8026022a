import re
from dataclasses import replace

import pytest
import torch

from gesso.adapters.patch import Loaded, Patch, Stated
from gesso.adapters.site import Site

SITE = Site("unet", "a.weight", (6, 5), "a.bias")
LORA = {"down": torch.ones(2, 5), "up": torch.ones(6, 2)}


def patch(*roles: str, site: Site = SITE, stated: Stated | None = None) -> Patch:
    return Patch("a", site, {role: f"a.{role}" for role in roles}, stated or Stated())


def problem(site: Site = SITE, **sizes: tuple[int, ...]) -> str | None:
    return patch(*sizes, site=site).problem({f"a.{role}": size for role, size in sizes.items()})


@pytest.mark.parametrize(
    ("alpha", "stated", "scale"),
    [
        (None, Stated(), 1.0),
        (1.0, Stated(), 0.5),
        (4.0, Stated(alpha=9.0), 2.0),
        (None, Stated(alpha=8.0), 4.0),
        (None, Stated(alpha=8.0, root=True), 8 / 2**0.5),
    ],
)
def test_alpha_is_divided_by_the_rank(alpha: float | None, stated: Stated, scale: float) -> None:
    tensors = LORA | ({} if alpha is None else {"alpha": torch.tensor(alpha)})
    loaded = Loaded(patch(*tensors, stated=stated), tensors)
    assert loaded.scale == pytest.approx(scale)
    torch.testing.assert_close(loaded.change(torch.zeros(6, 5)), torch.full((6, 5), 2.0 * scale))


def test_a_factor_kept_apart_counts() -> None:
    tensors = LORA | {"scalar": torch.tensor(0.25)}
    assert Loaded(patch(*tensors), tensors).scale == 0.25


def test_the_magnitude_of_peft_goes_along_outputs() -> None:
    tensors = LORA | {"magnitude": torch.arange(1.0, 7.0).view(1, 6)}
    weight = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    after = weight + Loaded(patch(*tensors), tensors).change(weight)
    torch.testing.assert_close(after.norm(dim=1), torch.arange(1.0, 7.0))


def test_only_plain_low_rank_runs_beside_its_layer() -> None:
    assert Loaded(patch(*LORA), LORA).low_rank() is not None
    decomposed = LORA | {"dora": torch.ones(1, 5)}
    assert Loaded(patch(*decomposed), decomposed).low_rank() is None
    assert Loaded(patch("diff"), {"diff": torch.ones(6, 5)}).low_rank() is None


@pytest.mark.parametrize(("down", "up"), [((2, 5), (6, 2)), ((2, 5, 1, 1), (6, 2, 1, 1))])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1, 1)])
def test_linear_layers_and_1_by_1_convolutions_are_the_same(
    shape: tuple[int, ...], down: tuple[int, ...], up: tuple[int, ...]
) -> None:
    site = replace(SITE, shape=shape)
    assert problem(site, down=down, up=up) is None
    path = Loaded(patch("down", "up", site=site), {"down": torch.ones(down), "up": torch.ones(up)}).low_rank()
    assert path is not None
    assert path.down.shape == (2, *shape[1:])


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"down": (2, 4), "up": (6, 2)}, r"a.down is \(2, 4\)"),
        ({"down": (2, 5), "up": (5, 2)}, r"a.down is \(2, 5\)"),
        ({"down": (2, 5), "up": (6, 3)}, "the layer's weight is"),
        ({"down": (2, 5)}, r"its tensors \(down\) make no known kind"),
        ({"alpha": ()}, r"\(alpha\) make no known kind"),
        ({"down": (2, 5), "up": (6, 2), "diff": (6, 5)}, "no known kind"),
        ({"diff": (6, 5), "bias": (5,)}, "6 outputs"),
        ({"oft_blocks": (4, 2, 2)}, "weight is"),
        ({"hada_w1_a": (6, 2), "hada_w1_b": (2, 5), "hada_w2_a": (6, 2), "hada_w2_b": (2, 4)}, "weight is"),
    ],
)
def test_what_does_not_fit_is_said_from_sizes_alone(sizes: dict[str, tuple[int, ...]], says: str) -> None:
    found = problem(**sizes)
    assert found is not None
    assert re.search(says, found), found


def test_a_bias_needs_a_bias() -> None:
    assert problem(bias=(6,)) is None
    assert problem(replace(SITE, bias=None), bias=(6,)) == "the layer has no bias to change"


def test_every_kind_fits_by_its_sizes() -> None:
    half = {f"hada_w{i}_{side}": (6, 2) if side == "a" else (2, 5) for i in (1, 2) for side in "ab"}
    assert problem(**half) is None
    assert problem(lokr_w1=(2, 1), lokr_w2_a=(3, 2), lokr_w2_b=(2, 5)) is None
    assert problem(ia3=(6,), on_input=()) is None
    assert problem(oft_blocks=(3, 2, 2), alpha=()) is None
    assert problem(down=(2, 5), up=(6, 2), dora=(1, 5), alpha=()) is None
