import pytest

from gesso.checkpoint.shapes import Shapes
from gesso.families.accounting import account

PREFIXES = {"unet": "model.diffusion_model.", "vae": "first_stage_model.", "text": "cond_stage_model.model."}


def shapes(*names: str) -> Shapes:
    return Shapes(dict.fromkeys(names, (1,)))


def test_every_name_lands_in_one_place() -> None:
    header = shapes(
        "model.diffusion_model.out.0.weight",
        "first_stage_model.encoder.conv_in.weight",
        "first_stage_model.loss.logvar",
        "cond_stage_model.model.ln_final.weight",
        "cond_stage_model.model.logit_scale",
        "alphas_cumprod",
        "betas",
        "mystery.weight",
    )
    found = account(header, PREFIXES)
    assert found.used == {
        "unet": ("model.diffusion_model.out.0.weight",),
        "vae": ("first_stage_model.encoder.conv_in.weight",),
        "text": ("cond_stage_model.model.ln_final.weight",),
    }
    assert found.ignored == {
        "training loss": 1,
        "contrastive scale, not used for painting": 1,
        "schedule": 2,
    }
    assert found.unknown == ("mystery.weight",)


def test_a_name_that_is_needed_is_used_although_a_rule_would_ignore_it() -> None:
    name = "conditioner.embedders.1.text_projection"
    prefixes = PREFIXES | {"text": "conditioner.embedders.1."}
    assert account(shapes(name), prefixes).ignored == {"unused projection": 1}
    assert account(shapes(name), prefixes, [name]).used["text"] == (name,)


@pytest.mark.parametrize(
    "name",
    [
        "sqrt_one_minus_alphas_cumprod",
        "log_one_minus_alphas_cumprod",
        "sqrt_recipm1_alphas_cumprod",
        "posterior_mean_coef2",
        "model_ema.diffusion_modelout0weight",
        "model_ema.decay",
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "cond_stage_model.model.visual.conv1.weight",
        "optimizer_states.0.state",
        "global_step",
        "v_pred",
        "edm_vpred.sigma_max",
    ],
)
def test_what_training_leaves_behind_is_ignored_by_name(name: str) -> None:
    found = account(shapes(name), PREFIXES)
    assert sum(found.ignored.values()) == 1
    assert found.unknown == ()


@pytest.mark.parametrize("name", ["model.diffusion_model.betas", "weights", "lora_unet_x", "model.out"])
def test_a_rule_covers_whole_names_only(name: str) -> None:
    assert account(shapes(name), PREFIXES).ignored == {}
