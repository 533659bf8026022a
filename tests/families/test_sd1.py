import pytest

from gesso.families.blueprint import SD1, SD1_INPAINTING, SD1_INSTRUCT, CheckpointPlan, checkpoint_shapes
from gesso.families.catalogue import FAMILIES
from gesso.families.identify import Identity, identify
from tests.files import table


def found(plan: CheckpointPlan) -> Identity:
    return identify(table(checkpoint_shapes(plan)))


@pytest.mark.parametrize(
    ("plan", "variant"), [(SD1, "base"), (SD1_INPAINTING, "inpainting"), (SD1_INSTRUCT, "instruct")]
)
def test_the_first_convolution_tells_the_variant(plan: CheckpointPlan, variant: str) -> None:
    identity = found(plan)
    assert (identity.family.name, identity.variant.name) == ("sd1", variant)
    assert identity.variant.unsupported == ""


def test_published_facts() -> None:
    facts = found(SD1).facts
    assert facts.latent.scale == 0.18215
    assert {facts.heads(width) for width in (320, 640, 1280)} == {8}
    assert facts.prediction.value == "epsilon"
    assert facts.defaults.size == (512, 512)


def test_one_text_encoder_whose_last_layer_is_normed() -> None:
    (text,) = found(SD1).text
    assert (text.layer, text.normed, text.pad, text.activation) == (-1, True, "end", "quick_gelu")


def test_kin_that_is_not_told_by_words_says_so() -> None:
    why = {f.name: [each.unsupported for each in f.variants] for f in FAMILIES}
    assert all("angle" in each for each in why["zero123"])
    assert all("XLM-R" in each for each in why["altdiffusion"])
