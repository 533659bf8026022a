from hypothesis import given
from hypothesis import strategies as st

from gesso.workers.shelf import Shelf


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.integers(1, 12))
def test_what_is_kept_fits_and_is_what_was_used_last(asked: list[str], room: int) -> None:
    size = {name: 1 + ord(name) - ord("a") for name in "abcde"}
    shelf = Shelf(
        load=lambda name: name, weigh=lambda it: size[it], expect=lambda name: size[name], room=room
    )
    for count, name in enumerate(asked, 1):
        assert shelf.get(name) == name
        kept = list(shelf.names)
        assert sum(size[each] for each in kept) <= max(room, size[name])
        recent = list(dict.fromkeys(reversed(asked[:count])))
        assert kept[::-1] == [each for each in recent if each in kept]
    assert shelf.switches >= len(set(asked))


def test_what_is_there_is_not_loaded_again() -> None:
    shelf = Shelf(load=lambda _: object(), weigh=lambda _: 1, expect=lambda _: 1, room=2)
    assert shelf.get("a") is shelf.get("a")
    assert shelf.switches == 1
