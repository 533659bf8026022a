from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from gesso.checkpoint.file import Checkpoint
from gesso.families import waiting
from gesso.families.assembly import drawings
from gesso.families.drawing import filled
from gesso.families.identify import identify
from gesso.families.waiting import Absent, Waiting, at_hand, units
from tests.models import save_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "model.safetensors", "sd1")


def waits(file: Path, part: str = "unet") -> Waiting:
    return Waiting(drawings(identify(Checkpoint.open(file)))[part], CPU, torch.bfloat16)


def whole(file: Path, dtype: torch.dtype = torch.bfloat16) -> nn.Module:
    return filled(drawings(identify(Checkpoint.open(file)))["unet"], CPU, dtype)


def told(network: nn.Module) -> dict[str, torch.Tensor]:
    dtype = next(network.parameters()).dtype
    width = network.get_parameter("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight").shape[1]
    draw = torch.Generator().manual_seed(0)
    x = torch.randn((1, 4, 8, 8), generator=draw).to(dtype)
    return {"x": x, "t": torch.ones(1), "context": torch.randn((1, 3, width), generator=draw).to(dtype)}


def answer(network: nn.Module) -> torch.Tensor:
    given = told(network)
    with torch.inference_mode():
        return network(given["x"], given["t"], given["context"])


def there(network: nn.Module) -> int:
    return sum(each.nbytes for each in network.parameters() if not each.is_meta)


@pytest.mark.parametrize(("unit", "share"), [(1, 0.4), (20_000, 0.0), (20_000, 1.0), (2**27, 0.4)])
def test_it_computes_the_same_bits_and_lets_go(
    unit: int, share: float, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNIT", unit)
    found = waits(file)
    assert there(found.network) == 0
    room = int(share * found.nbytes)
    with found.flowing(room):
        for _ in range(2):
            assert torch.equal(answer(found.network), answer(whole(file)))
            assert there(found.network) == found.nbytes - found.again(room) <= room
    assert there(found.network) == 0


def test_every_weight_that_comes_again_was_asked_for_before(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "UNIT", 20_000)
    found, log = waits(file), list[tuple[str, str]]()

    def ahead(_: Checkpoint, names: Iterable[str]) -> int:
        log.extend(("asked", name) for name in names)
        return 0

    def come(home: Waiting, wanted: Sequence[Absent], ground: object = None) -> tuple[torch.Tensor, ...]:
        log.extend(("read", home.drawing.tensors[each.within]) for each in wanted)
        return numbers(home, wanted)

    numbers = Waiting.numbers
    monkeypatch.setattr(Checkpoint, "ahead", ahead)
    monkeypatch.setattr(Waiting, "numbers", come)
    room = found.nbytes // 3
    with found.flowing(room):
        answer(found.network)
        first = len(log)
        answer(found.network)
    again = [name for what, name in log[first:] if what == "read"]
    assert 10 < len(again) < len(found.drawing.tensors)
    read_later = {name: log.index(("read", name), first) for name in again}
    asked = {name: max(i for i in range(read_later[name]) if log[i] == ("asked", name)) for name in again}
    # each was asked for while the layer before it worked: after that one's weights had come, not earlier
    order = sorted(again, key=lambda name: read_later[name])
    assert all(asked[name] < read_later[name] for name in again)
    assert sum(what == "asked" for what, _ in log[first:]) == len(again)
    assert asked[order[-1]] > read_later[order[0]]


def test_no_more_is_there_at_once_than_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "UNIT", 20_000)
    found = waits(file)
    most = 0

    def look(*_: object) -> None:
        nonlocal most
        most = max(most, there(found.network))

    for layer in found.network.modules():
        if not list(layer.children()):
            layer.register_forward_pre_hook(look)
    with found.flowing(0):
        answer(found.network)
    own = sum(unit.nbytes for unit in found.units if not unit.alone)
    assert 0 < most <= found.window + own < found.nbytes


def test_units_are_every_weight_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "UNIT", 20_000)
    network = waits(file).network
    places = [absent.within for unit in units(network) for _, _, absent in unit.places]
    assert sorted(places) == sorted(name for name, _ in network.named_parameters())


def test_a_converted_network_has_its_weights_in_the_new_type(file: Path) -> None:
    found = waits(file)
    found.network.float()
    with found.flowing(0):
        assert torch.equal(answer(found.network), answer(whole(file, torch.float32)))


def test_it_is_all_there_while_it_must_be(file: Path) -> None:
    found = waits(file, "text")
    with found.present():
        assert there(found.network) == found.nbytes
    assert there(found.network) == 0


def test_what_stands_in_for_a_weight_is_left_alone(file: Path) -> None:
    found = waits(file)
    layer = found.network.get_submodule("out.2")
    before, other = (
        layer.weight,
        nn.Parameter(torch.zeros_like(layer.weight, device="cpu"), requires_grad=False),
    )
    assert isinstance(before, Absent)
    layer.weight = other
    with found.flowing(found.nbytes):
        changed = answer(found.network)
        assert layer.weight is other
    assert not torch.equal(changed, answer(whole(file)))
    layer.weight = before
    with found.flowing(0):
        assert torch.equal(answer(found.network), answer(whole(file)))


def test_a_single_weight_can_be_read(file: Path) -> None:
    found, all_there = waits(file), whole(file)
    for name, parameter in all_there.named_parameters():
        assert torch.equal(at_hand(found.network.get_parameter(name)), parameter)
    assert at_hand(parameter).data_ptr() == parameter.data_ptr()
    assert found.numbers(()) == ()


def test_counting_on_the_meta_device_reads_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = waits(file)
    monkeypatch.setattr(Waiting, "come", None)
    with found.flowing(0), torch.inference_mode():
        given = {name: each.to("meta") for name, each in told(found.network).items()}
        assert found.network(given["x"], given["t"], given["context"]).is_meta
