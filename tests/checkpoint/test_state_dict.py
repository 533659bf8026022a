import pytest

from gesso.checkpoint.pickle_machine import Inert
from gesso.checkpoint.state_dict import find_tensors
from gesso.checkpoint.torch_pickle import Storage, StoredTensor
from gesso.errors import BrokenFile, UnsafeFile

T = StoredTensor(Storage("0", "F32", 1), "F32", 0, (1,), (1,))


@pytest.mark.parametrize(
    "root",
    [
        {"w": T},
        {"state_dict": {"w": T}, "global_step": 3},
        {"model": {"module": {"w": T}}},
        {"params": {"w": T}, "epoch": 1},
        {"params": {"v": T}, "params_ema": {"w": T}},
        {"state_dict": {"w": T, "a": None}, "best_score": T},
        Inert("made.up.Dict", entries={"state_dict": Inert("another.Dict", entries={"w": T})}),
        {"state_dict": {"w": T}, "optimizer_states": [{"state": {0: {"exp_avg": T}}}]},
    ],
)
def test_the_tensors_are_found_in_any_wrapper(root: object) -> None:
    assert find_tensors(root, ()).tensors == {"w": T}


def test_networks_side_by_side_keep_their_names_in_front() -> None:
    root = {"image_proj": {"w": T, "version": 2}, "ip_adapter": {"1.w": T}, "note": "x", 3: {"w": T}}
    assert find_tensors(root, ()).tensors == {"image_proj.w": T, "ip_adapter.1.w": T}


def test_pairs_of_networks_by_width_are_numbered() -> None:
    root = {64: ({"w": T}, {"w": T, "v": T}), 3: [{"w": T}], "step": 7, None: ({"w": T},)}
    found = find_tensors(root, ())
    assert set(found.tensors) == {"64.0.w", "64.1.w", "64.1.v", "3.0.w"}
    assert found.extras == {"step": 7}


def test_plain_values_on_the_way_are_kept() -> None:
    root = {
        "global_step": 470_000,
        "version": "1.4.2",
        "loss": 0.1,
        "huge": 1 << 99,
        "long": "x" * 20_000,
        3: "no name",
        "state_dict": {"w": T, "_extra": None},
    }
    assert find_tensors(root, ("a.b",)).extras == {"global_step": 470_000, "version": "1.4.2", "loss": 0.1}
    assert find_tensors(root, ("a.b",)).imports == ("a.b",)


def test_calls_in_a_tensors_place_are_remembered() -> None:
    found = find_tensors({"state_dict": {"w": T, "a.weight": Inert("evil.call")}}, ())
    assert found.unsafe == {"a.weight": "evil.call"}


def test_nothing_but_calls_is_unsafe() -> None:
    with pytest.raises(UnsafeFile, match=r"made by 'some\.Module'"):
        find_tensors(Inert("some.Module", state={"_parameters": {"w": T}}), ())
    with pytest.raises(UnsafeFile, match=r"made by 'evil\.call'"):
        find_tensors({"state_dict": {"a.weight": Inert("evil.call")}}, ())


@pytest.mark.parametrize("root", [None, [], {}, {"state_dict": {}}, {"a": {"b": {"c": T}}}, {1: T}])
def test_no_tensors_at_all(root: object) -> None:
    with pytest.raises(BrokenFile, match="has none"):
        find_tensors(root, ())


def test_a_wrapper_that_holds_itself() -> None:
    root: dict[object, object] = {}
    root["state_dict"] = root
    with pytest.raises(BrokenFile, match="has none"):
        find_tensors(root, ())


def test_names_that_are_no_text() -> None:
    with pytest.raises(BrokenFile, match="names must be text"):
        find_tensors({"\ud800": T}, ())


def test_several_tensors_under_one_name_are_numbered() -> None:
    root = {"a.weight": (T, T, T), "b.bias": [T], "c.mixed": (T, 3), "plain": (T,), "w": T}
    assert set(find_tensors(root, ()).tensors) == {"a.weight.0", "a.weight.1", "a.weight.2", "b.bias.0", "w"}
