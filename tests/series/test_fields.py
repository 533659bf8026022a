import pytest

from gesso.errors import RequestError, UnknownName
from gesso.request import Request
from gesso.series.fields import leaves, placed, validated


def test_types_of_fields() -> None:
    assert leaves("steps") == {int, type(None)}
    assert {float} <= leaves("loras.12.weight")
    assert {str} <= leaves("sampler")
    assert leaves("sampler_options.eta") == frozenset()
    assert leaves("loras.0.blocks.IN04") == frozenset()


def test_every_field_of_a_request_is_known() -> None:
    for name in Request.model_fields:
        assert leaves(name)


@pytest.mark.parametrize(
    ("name", "close"),
    [("stepps", "steps"), ("guidance.rescal", "guidance.rescale"), ("lora.0.weight", "loras.0.weight")],
)
def test_an_unknown_field_is_refused_with_the_closest(name: str, close: str) -> None:
    with pytest.raises(UnknownName) as refused:
        leaves(name)
    assert f"did you mean {close!r}?" in refused.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", "12"),
        ("guidance.rescale", "0.5"),
        ("guidance.interval.1", "0.5"),
        ("loras.0.weight", "0.25"),
        ("loras.1", "b.safetensors:0.5"),
        ("refiner.model", "r.safetensors"),
        ("sampler_options.eta", "0.5"),
    ],
)
def test_one_field_changes_and_no_other(name: str, value: str) -> None:
    before = Request.model_validate({"prompt": "a cat", "loras": ["a.safetensors:0.5"]})
    data = before.model_dump()
    after = validated(placed(data, name, value))
    assert data == before.model_dump()
    top = name.partition(".")[0]
    assert after != before
    assert after.model_dump(exclude={top}) == before.model_dump(exclude={top})


def test_places_in_a_list_follow_one_another() -> None:
    with pytest.raises(RequestError, match="2 of 0"):
        placed({"loras": ()}, "loras.2.weight", "1")


def test_a_value_that_is_not_allowed_is_refused_by_its_field() -> None:
    with pytest.raises(RequestError, match=r"guidance\.rescale must be allowed, however: '2'"):
        validated({"guidance": {"rescale": "2"}})
