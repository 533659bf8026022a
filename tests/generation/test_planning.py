from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gesso.checkpoint.file import Checkpoint
from gesso.errors import DoesNotFit, RequestError
from gesso.generation.planning import beside, make_plan, outlines
from gesso.model import Model, load
from gesso.request import ControlUse, FollowUp, LoraUse, Request, Source
from tests.control.made import save_net
from tests.models import save_model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: save_model(folder / f"{name}.safetensors", name) for name in ("sd1", "sdxl")}


@pytest.fixture(scope="module")
def outline(files: dict[str, Path]) -> Model:
    return load(files["sd1"], device="cpu", dtype="float32", weights=False)


def test_a_plan_of_all_that_follows_needs_headers_alone(
    outline: Model, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Checkpoint, "tensors", None)
    then = (FollowUp(source=Source(by=2, strength=0.5), steps=4), FollowUp(model=files["sdxl"], cfg=2.0))
    plan = make_plan(outline, Request(prompt="a cat", steps=3, count=2, cfg=1.0, sampler="euler", then=then))
    assert [each.steps for each in plan.then] == [4, 2]
    assert (plan.steps, plan.evaluations) == (6 + 6, 6 + 4 + 2 * 2)
    assert [each.request.size for each in plan.chain] == [(64, 64), (128, 128), (128, 128)]
    assert plan.lines()[1].startswith("then at 128x128, base: 2 steps of euler")
    assert make_plan(outline, plan.request) == plan
    with pytest.raises(RequestError, match="has changed"):
        make_plan(outline, Request(then=(FollowUp(model=files["sdxl"], model_sha256="0"),)))


def test_a_resize_alone_takes_no_step(outline: Model, tmp_path: Path) -> None:
    plan = make_plan(outline, Request(then=(FollowUp(source=Source(by=1.25, strength=0.0)),)))
    assert (plan.then[0].steps, plan.then[0].canvas) == (0, (80, 80))
    assert plan.lines()[-1] == "then at 80x80, lanczos alone"


def test_each_other_file_is_outlined_once(outline: Model, files: dict[str, Path]) -> None:
    then = (FollowUp(), FollowUp(model=files["sdxl"]), FollowUp(model=files["sdxl"]))
    found = outlines(outline, Request(then=then))
    assert found[0] is outline
    assert found[1] is found[2]
    assert found[1].identity.name == "sdxl"


def test_another_checkpoint_takes_the_same_place(outline: Model, files: dict[str, Path]) -> None:
    other = beside(files["sdxl"], outline, weights=False)
    assert (other.device, other.dtype, other.path) == (outline.device, outline.dtype, files["sdxl"])


def test_no_picture_grows_beyond_what_can_be_held(outline: Model) -> None:
    then = tuple(FollowUp(source=Source(by=by, strength=0.0)) for by in (16, 16, 2))
    with pytest.raises(RequestError, match="at most 16384 wide and high, however: 32768x32768"):
        make_plan(outline, Request(then=then))


def test_an_adapter_that_follows_is_refused_before_anything_is_painted(
    outline: Model, files: dict[str, Path], tmp_path: Path
) -> None:
    net = save_net(tmp_path / "net.safetensors", "sd1")
    use = ControlUse(model=net, image=tmp_path / "none.png")
    assert make_plan(outline, Request(then=(FollowUp(controls=(use,)),))).then
    with pytest.raises(DoesNotFit):
        make_plan(outline, Request(then=(FollowUp(controls=(use,), model=files["sdxl"]),)))


def test_a_lora_of_few_steps_says_what_a_request_leaves_open(outline: Model, tmp_path: Path) -> None:
    use = LoraUse(file=tmp_path / "sdxl_lightning_2step_lora.safetensors")
    found = make_plan(outline, Request(seed=1, loras=(use,))).request
    assert (found.steps, found.sampler, found.schedule, found.cfg) == (2, "euler", "sgm_uniform", 1.0)
    asked = make_plan(outline, Request(seed=1, loras=(use,), steps=7, cfg=3.0)).request
    assert (asked.steps, asked.cfg) == (7, 3.0)
    # also where the prompt names it, and where only the file's own title tells
    save_file({"a": torch.zeros(1)}, tmp_path / "style.safetensors", {"ss_output_name": "my_LCM"})
    named = Request(seed=1, prompt="a cat <lora:style:1>", library=tmp_path)
    found = make_plan(outline, named).request
    assert (found.steps, found.sampler, found.cfg) == (4, "lcm", 1.0)
    assert make_plan(outline, found).request == found
    off = make_plan(outline, Request(seed=1, loras=(use.model_copy(update={"weight": 0.0}),))).request
    assert off.steps == outline.identity.facts.defaults.steps
