import inspect

import pytest

from gesso import errors
from gesso.errors import GessoError, UnknownName

KINDS = [getattr(errors, name) for name in errors.__all__]


def test_every_error_is_listed() -> None:
    own = {
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and kind.__module__ == errors.__name__
    }
    assert own == set(errors.__all__)
    assert errors.__all__ == sorted(errors.__all__)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_one_of_ours_and_in_the_tree(kind: type[GessoError]) -> None:
    assert issubclass(kind, GessoError)
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not UnknownName])
def test_an_error_says_its_line_and_may_carry_a_hint(kind: type[GessoError]) -> None:
    assert str(kind("it must hold, however: no")) == "it must hold, however: no"
    assert kind("x").hint == ""
    assert kind("x", hint="try y").hint == "try y"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("eulr", "did you mean 'euler'? known: dpmpp_2m, euler, heun"),
        ("DPM", "known: dpmpp_2m, euler, heun"),
        ("dpmpp2m", "did you mean 'dpmpp_2m'? known: dpmpp_2m, euler, heun"),
    ],
)
def test_a_misspelt_name_gets_the_closest(name: str, hint: str) -> None:
    error = UnknownName("sampler", name, ("heun", "euler", "dpmpp_2m"))
    assert str(error) == f"sampler must be a known name, however: {name!r}"
    assert error.hint == hint
