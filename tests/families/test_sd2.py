import pytest

from gesso.families.blueprint import SD2, SD2_DEPTH, SD2_INPAINTING, checkpoint_shapes
from gesso.families.catalogue import FAMILIES
from gesso.families.identify import identify
from tests.files import table


def test_published_facts() -> None:
    identity = identify(table(checkpoint_shapes(SD2)))
    facts = identity.facts
    assert [facts.heads(width) for width in (320, 640, 1280)] == [5, 10, 20]
    assert facts.latent.scale == 0.18215
    assert (facts.prediction.value, facts.prediction.by) == ("v", "family")
    assert "asks the network" in facts.prediction.because
    (text,) = identity.text
    assert (text.layer, text.normed, text.pad, text.activation) == (-2, True, 0, "gelu")


def test_a_copy_that_lost_its_last_layer_is_read_at_its_last() -> None:
    shapes = checkpoint_shapes(SD2)
    kept = {name: shape for name, shape in shapes.items() if not name.startswith("cond_stage_model.")}
    layers = {
        f"cond_stage_model.transformer.text_model.encoder.layers.{i}.layer_norm1.weight": (1024,)
        for i in range(23)
    }
    (text,) = identify(table(kept | layers)).text
    assert (text.prefix, text.layer) == ("cond_stage_model.transformer.", -1)
    (whole,) = identify(table(kept | layers | {f"{next(iter(layers)).replace('.0.', '.23.')}": (1024,)})).text
    assert whole.layer == -2


def test_inpainting_paints_and_depth_needs_a_picture_of_it() -> None:
    assert identify(table(checkpoint_shapes(SD2_INPAINTING))).variant.unsupported == ""
    estimator = {"depth_model.model.pretrained.act_postprocess3.0.project.0.bias": (768,)}
    identity = identify(table(checkpoint_shapes(SD2_DEPTH) | estimator))
    assert (identity.variant.unsupported, identity.variant.shown) == ("", "depth")
    assert identity.account.unknown == ()


@pytest.mark.parametrize(("name", "why"), [("sd-x4-upscaler", "enlarges"), ("lotus", "depth")])
def test_kin_that_does_not_paint_from_words_says_why(name: str, why: str) -> None:
    (family,) = (each for each in FAMILIES if each.name == name)
    assert all(why in each.unsupported for each in family.variants)
