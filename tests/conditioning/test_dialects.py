from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.conditioning.dialects import DIALECTS, convert, parse
from gesso.conditioning.encode import Encoded, Manner, Reader, TextEncoder, Tower
from gesso.conditioning.prompt import Tree, timeline
from gesso.errors import UnknownName, Unsupported
from gesso.model import load
from tests.models import save_model

WORDS = ["a cat", " red, ", "dog ", "snow", "the hill"]
WEIGHTED = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.tuples(st.sampled_from(["({}:1.3)", "({})", "[{}]", "({}:0.5)", "{}"]), inner).map(
        lambda pair: pair[0].format(pair[1])
    ),
    max_leaves=4,
)
PROMPTS = st.lists(WEIGHTED, min_size=1, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Tower:
    path = save_model(tmp_path_factory.mktemp("model") / "sd1.safetensors", "sd1")
    model = load(path, device="cpu", dtype="float32")
    (part,) = model.identity.text
    return Tower(cast(TextEncoder, model.networks[part.name]))


def encoded(text: str, name: str, tower: Tower, emphasis: str) -> Encoded:
    manner = Manner.named(emphasis, DIALECTS[name].cut, None)
    with torch.inference_mode():
        return Reader([tower], manner)(timeline(parse(text, name), 1)[0].told)[0]


@settings(max_examples=60, deadline=None)
@given(PROMPTS)
@pytest.mark.parametrize("target", ["comfy", "compel"])
def test_a_converted_prompt_says_the_same_to_the_network(target: str, tower: Tower, text: str):
    there = convert(text, "a1111", target)
    before, after = encoded(text, "a1111", tower, "original"), encoded(there, target, tower, "original")
    torch.testing.assert_close(after.context, before.context, atol=1e-5, rtol=0)
    back = convert(there, target, "a1111")
    torch.testing.assert_close(
        encoded(back, "a1111", tower, "original").context, before.context, atol=1e-5, rtol=0
    )


def test_emphases_differ(tower: Tower):
    said = [
        encoded("a (cat:1.5) (dog:0.5)", "a1111", tower, each).context
        for each in ("original", "interpolate", "remove")
    ]
    assert not said[0].allclose(said[1], atol=1e-4)
    assert not said[1].allclose(said[2], atol=1e-4)


@pytest.mark.parametrize(
    ("text", "source", "target", "what"),
    [
        ("a AND b", "a1111", "comfy", "AND"),
        ("a AND b", "a1111", "compel", "AND"),
        ("a [b:c:3]", "a1111", "comfy", "a schedule .at 3"),
        ("[a|b]", "a1111", "compel", "words that take turns"),
        ("a BREAK b", "a1111", "comfy", "window"),
        ("a <lora:x:1>", "a1111", "comfy", "<lora:x>"),
        ("(a:-1)", "a1111", "compel", "the weight -1"),
        ("(a:1.2)", "comfy", "plain", "the weight 1.2"),
        ("embedding:thing", "comfy", "plain", "the embedding 'thing'"),
        ('("a", "b").blend(1, 2)', "compel", "a1111", "mixture"),
    ],
)
def test_what_a_dialect_cannot_say_is_refused_with_its_place(text: str, source: str, target: str, what: str):
    with pytest.raises(Unsupported, match=what):
        convert(text, source, target)


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("a (b:1.2) BREAK c", "a1111", "compel", '("a (b)1.2", "c").and()'),
        ('("a", "b").and()', "compel", "a1111", "a BREAK b"),
        ("a ((b:1.5):1.5)", "a1111", "comfy", "a (b:2.25)"),
        ("a (b:2) (c)", "comfy", "a1111", "a (b:2.0) (c:1.1)"),
        ("a [b] {c} AND d", "plain", "a1111", "a \\[b\\] {c} AN\\D d"),
        ("a [b]", "comfy", "a1111", "a \\[b\\]"),
        ("a cat", "a1111", "plain", "a cat"),
    ],
)
def test_conversions(text: str, source: str, target: str, expected: str):
    assert convert(text, source, target) == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30), st.sampled_from([*DIALECTS]))
def test_any_text_at_all_is_a_prompt_in_every_dialect(text: str, name: str):
    tree = parse(text, name)
    assert timeline(tree, 3)
    assert Tree(parse(DIALECTS[name].render(tree), name).parts) == Tree(tree.parts)


def test_an_unknown_dialect_is_named():
    with pytest.raises(UnknownName, match="'comfi'"):
        parse("a", "comfi")
