"""A UNet with an image prompt agrees with diffusers'; rows, times and places are what is asked for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.image_prompt_cases import KINDS, Kind
from benchmarks.parity_cases import inputs
from benchmarks.parity_gesso import filled
from gesso.checkpoint.shapes import Shapes
from gesso.conditioning.conditioning import Conditioning
from gesso.control.image_adapter import open_image_adapter
from gesso.control.image_prompt import STYLES, ImagePromptControl, at_positions
from gesso.denoiser import Call
from gesso.errors import Unsupported
from gesso.families.unet_plan import unet_shapes
from gesso.networks.embeddings import sinusoids
from gesso.networks.unet import UNet
from tests.references.image_prompt_cases import CASES, adapter_weights, seen
from tests.references.networks_said import assert_agree, recorded_in, weights

ALL = (float("inf"), 0.0)


def unet(name: str) -> UNet:
    shapes = unet_shapes(CASES[name].plan.unet)
    network = filled(UNet(shapes, CASES[name].unet_heads), weights(shapes))
    assert isinstance(network, UNet)
    return network


def control(folder: Path, name: str, kind: Kind, shown: Tensor) -> ImagePromptControl:
    """A control that shows the negative the first picture and the prompt the second."""
    path = folder / f"{name}-{kind}.safetensors"
    save_file({key: each.contiguous() for key, each in adapter_weights(name, kind).items()}, path)
    adapter = open_image_adapter(path, Shapes(unet_shapes(CASES[name].plan.unet)), name)
    tokens = adapter.tokens(shown, torch.device("cpu"), torch.float32)
    return ImagePromptControl(tuple(adapter.keys_values(tokens)), lambda _: 1.0, ALL)


def said(name: str, network: UNet, acting: ImagePromptControl | None, sigma: float = 1.0) -> Tensor:
    given = inputs(CASES[name])
    vector = None
    if "sizes" in given:
        waves = sinusoids(given["sizes"].flatten(), CASES[name].size_width).reshape(2, -1)
        vector = torch.cat((given["pooled"], waves), dim=1)
    told = Conditioning(given["context"], vector, roles=("negative", "prompt"))
    call = Call(network, given["x"], given["t"], sigma, told)
    with torch.no_grad():
        if acting is None:
            return network(call.inputs, call.t, told.context, vector)
        with acting.during(call) as additions:
            assert additions is None
            return network(call.inputs, call.t, told.context, vector)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_a_unet_that_looks_at_pictures_agrees_with_diffusers(name: str, kind: Kind, tmp_path: Path) -> None:
    network = unet(name)
    plain = said(name, network, None)
    acting = control(tmp_path, name, kind, seen(kind))
    found = said(name, network, acting)
    assert_agree({kind: found}, recorded_in(f"image_prompt_{name}"))
    assert float((found - plain).abs().max()) > 1e-2 * float(plain.abs().max())
    assert torch.equal(said(name, network, None), plain)


@pytest.fixture
def acting(tmp_path: Path) -> ImagePromptControl:
    return control(tmp_path, "v1", "plain", seen("plain"))


def changed(one: ImagePromptControl, **fields: object) -> ImagePromptControl:
    return ImagePromptControl(**{**vars(one), **fields})


def test_without_weight_or_outside_its_noise_levels_nothing_happens(acting: ImagePromptControl) -> None:
    network = unet("v1")
    plain = said("v1", network, None)
    assert torch.equal(said("v1", network, changed(acting, weight=lambda _: 0.0)), plain)
    for sigma, same in ((0.5, True), (1.0, True), (1.5, False), (2.0, False), (2.5, True)):
        assert torch.equal(said("v1", network, changed(acting, sigmas=(2.0, 1.0)), sigma), plain) is same


def test_each_row_looks_at_what_its_role_is_shown(acting: ImagePromptControl) -> None:
    network = unet("v1")
    found = said("v1", network, acting)
    blank = [type(each)(each.layer, each.keys[[0, 0]], each.values[[0, 0]]) for each in acting.given]
    other = said("v1", network, changed(acting, given=blank))
    assert torch.equal(other[0], found[0])
    assert not torch.equal(other[1], found[1])


def test_layers_are_weighed_by_name(acting: ImagePromptControl) -> None:
    network = unet("v1")
    asked: list[str] = []

    def weight(layer: str) -> float:
        asked.append(layer)
        return float(layer.startswith("middle_block."))

    found = said("v1", network, changed(acting, weight=weight))
    assert asked == [each.layer for each in acting.given]
    assert not torch.equal(found, said("v1", network, None))
    assert not torch.equal(found, said("v1", network, acting))


def test_a_mask_says_where(acting: ImagePromptControl) -> None:
    network = unet("v1")
    everywhere, nowhere = torch.ones(1, 1, 96, 160), torch.zeros(1, 1, 96, 160)
    assert torch.equal(said("v1", network, changed(acting, mask=everywhere)), said("v1", network, acting))
    assert torch.equal(said("v1", network, changed(acting, mask=nowhere)), said("v1", network, None))


@pytest.mark.parametrize("size", [(12, 20), (13, 21), (1, 7)])
def test_a_mask_is_averaged_over_the_positions_of_every_resolution(size: tuple[int, int]) -> None:
    mask = torch.zeros(1, 1, size[0] * 8, size[1] * 8)
    mask[..., : size[1] * 4] = 1.0
    height, width = size
    while height * width > 1:
        found = at_positions(mask, size, height * width)
        assert found.shape == (1, height * width, 1)
        assert float(found.mean()) == pytest.approx(0.5, abs=0.1)
        height, width = (height + 1) // 2, (width + 1) // 2


def test_positions_that_no_resolution_has_are_refused() -> None:
    with pytest.raises(Unsupported, match="a layer has 100"):
        at_positions(torch.ones(1, 1, 8, 8), (12, 20), 100)


def test_styles_and_compositions_name_blocks_that_look_at_words() -> None:
    assert STYLES.keys() == {"style", "composition"}
    for three, four in STYLES.values():
        assert set(three) <= {"IN04", "IN05", "IN07", "IN08", "M00", *(f"OUT{i:02d}" for i in range(6))}
        looking = {f"IN{i:02d}" for i in (1, 2, 4, 5, 7, 8)} | {f"OUT{i:02d}" for i in range(3, 12)}
        assert set(four) <= looking | {"M00"}
