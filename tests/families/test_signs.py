import pytest

from gesso.checkpoint.shapes import Shapes
from gesso.families.signs import (
    UNET,
    Sign,
    context_width,
    either,
    has,
    inputs,
    lacks,
    projections,
    vector,
)

FIRST = f"{UNET}input_blocks.0.0.weight"
LABEL = f"{UNET}label_emb.0.0.weight"
PROJECTION = f"{UNET}input_blocks.1.1.proj_in.weight"
KEY = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
HEADER = Shapes(
    {
        FIRST: (320, 9, 3, 3),
        LABEL: (1280, 2816),
        PROJECTION: (640, 640),
        KEY: (640, 2048),
        "other.proj_in.weight": (1,) * 4,
    }
)


@pytest.mark.parametrize(
    "sign",
    [
        has(FIRST),
        has(UNET),
        lacks("cond_stage_model."),
        inputs(9),
        inputs(4, 9),
        vector(2816),
        projections(2),
        context_width(2048),
        context_width(768, 2048),
        either("one of two", (has("nothing."),), (has(FIRST), inputs(9))),
    ],
    ids=lambda sign: sign.text,
)
def test_a_sign_that_holds_says_nothing(sign: Sign) -> None:
    assert sign.contradiction(HEADER) is None
    assert sign.text


@pytest.mark.parametrize(
    ("sign", "found"),
    [
        (has("nothing"), "nothing is not there"),
        (has("model"), "model is not there"),
        (lacks("other."), "other.proj_in.weight is there"),
        (inputs(4), f"{FIRST} has shape [320, 9, 3, 3], not 4 input channels"),
        (inputs(4, 8), f"{FIRST} has shape [320, 9, 3, 3], not 4 or 8 input channels"),
        (vector(2560), f"{LABEL} has shape [1280, 2816], not 2560 vector inputs"),
        (projections(4), f"{PROJECTION} has 2 dimensions, not 4"),
        (context_width(768), f"{KEY} has width 2048, not 768"),
        (
            either("x", (has("a"), has("b")), (inputs(4),)),
            f"a is not there; {inputs(4).contradiction(HEADER)}",
        ),
    ],
)
def test_a_sign_that_does_not_hold_says_what_is_there_instead(sign: Sign, found: str) -> None:
    assert sign.contradiction(HEADER) == found


@pytest.mark.parametrize("sign", [inputs(4), vector(4), projections(2), context_width(768)])
def test_an_empty_header_lacks_everything(sign: Sign) -> None:
    assert "is there" in (sign.contradiction(Shapes({})) or "") or "not there" in (
        sign.contradiction(Shapes({})) or ""
    )


def test_a_shape_with_too_few_axes_is_a_contradiction() -> None:
    assert (
        inputs(4).contradiction(Shapes({FIRST: (320,)})) == f"{FIRST} has shape [320], not 4 input channels"
    )
