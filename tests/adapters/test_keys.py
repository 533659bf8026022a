from hypothesis import given
from hypothesis import strategies as st

from gesso.adapters.keys import IGNORED, ROLES, grouped

MODULES = st.from_regex(r"[a-z]{1,5}([._][a-z0-9]{1,4}){0,3}", fullmatch=True)


@given(st.lists(st.tuples(MODULES, st.sampled_from([*ROLES, *IGNORED, ".odd", ""])), max_size=30))
def test_every_name_ends_up_in_exactly_one_place(pairs: list[tuple[str, str]]) -> None:
    names = sorted({module + end for module, end in pairs})
    found = grouped(names)
    placed = [name for roles in found.modules.values() for name in roles.values()]
    assert sorted([*placed, *found.ignored, *found.unknown]) == names


def test_every_ending_has_its_role() -> None:
    flag = "unet.block.to_k.on_input"
    for ending, role in ROLES.items():
        name = f"unet.block.to_k{ending}"
        assert grouped([name, flag]).modules == {"unet.block.to_k": {role: name, "on_input": flag}}


def test_a_plain_weight_is_not_of_an_adapter() -> None:
    assert grouped(["unet.block.to_k.weight"]).unknown == ["unet.block.to_k.weight"]


def test_an_adapters_own_name_is_left_out() -> None:
    name = "unet.block.to_k.lora_A.my_style.weight"
    assert grouped([name]).modules == {"unet.block.to_k": {"down": name}}


def test_two_tensors_of_one_role_are_one_too_many() -> None:
    names = ["a.lora_down.weight", "a.lora_A.weight"]
    assert grouped(names).unknown == ["a.lora_down.weight"]
