import pytest

from gesso.adapters.site import Site, Target
from gesso.checkpoint.shapes import Shapes
from gesso.families.blueprint import CheckpointPlan, checkpoint_shapes
from gesso.families.identify import identify
from gesso.model import Model
from tests.files import table
from tests.headers import SD1, SD2, SDXL, tiny

CLIP = "cond_stage_model.transformer."
XL = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")


def target(plan: CheckpointPlan, *texts: str) -> Target:
    shapes = Shapes(checkpoint_shapes(plan))
    parts = {"unet": shapes.under("model.diffusion_model.")}
    parts |= {f"text {i}": shapes.under(prefix) for i, prefix in enumerate(texts)}
    return Target("x", "x", parts, tuple(name for name in parts if name != "unet"))


@pytest.fixture(scope="module")
def sd1() -> Target:
    return target(SD1, CLIP)


@pytest.fixture(scope="module")
def sdxl() -> Target:
    return target(SDXL, *XL)


@pytest.mark.parametrize(
    ("module", "weight"),
    [
        ("lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn2_to_k",
         "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"),
        ("lora_unet_input_blocks_2_1_transformer_blocks_0_attn2_to_k",
         "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"),
        ("lora_unet_up_blocks_3_attentions_2_proj_out", "output_blocks.11.1.proj_out.weight"),
        ("lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
         "middle_block.1.transformer_blocks.0.ff.net.0.proj.weight"),
        ("lora_unet_down_blocks_2_resnets_0_conv1", "input_blocks.7.0.in_layers.2.weight"),
        ("lora_unet_down_blocks_2_resnets_0_time_emb_proj", "input_blocks.7.0.emb_layers.1.weight"),
        ("lora_unet_up_blocks_0_upsamplers_0_conv", "output_blocks.2.1.conv.weight"),
        ("lora_unet_conv_in", "input_blocks.0.0.weight"),
        ("lora_unet_time_embedding_linear_1", "time_embed.0.weight"),
        ("unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out",
         "middle_block.1.transformer_blocks.0.attn1.to_out.0.weight"),
        ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_q",
         "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"),
        ("lora_te_text_model_encoder_layers_11_mlp_fc2", "text_model.encoder.layers.11.mlp.fc2.weight"),
        ("text_encoder.text_model.encoder.layers.3.self_attn.to_q",
         "text_model.encoder.layers.3.self_attn.q_proj.weight"),
        ("text_encoder.encoder.layers.3.self_attn.q_proj",
         "text_model.encoder.layers.3.self_attn.q_proj.weight"),
        ("oft_unet_input_blocks_1_1_proj_in", "input_blocks.1.1.proj_in.weight"),
    ],
)  # fmt: skip
def test_names_of_sd1(module: str, weight: str, sd1: Target) -> None:
    found = sd1.site(module)
    assert found is not None
    assert found.weight == weight


@pytest.mark.parametrize(
    ("module", "weight", "rows"),
    [
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_model.encoder.layers.0.mlp.fc1.weight", None),
        ("lora_te2_text_model_encoder_layers_31_mlp_fc1", "transformer.resblocks.31.mlp.c_fc.weight", None),
        ("lora_te2_text_model_encoder_layers_0_self_attn_q_proj",
         "transformer.resblocks.0.attn.in_proj_weight", (0, 1280)),
        ("text_encoder_2.text_model.encoder.layers.0.self_attn.k_proj",
         "transformer.resblocks.0.attn.in_proj_weight", (1280, 2560)),
        ("lora_te2_text_model_encoder_layers_0_self_attn_v_proj",
         "transformer.resblocks.0.attn.in_proj_weight", (2560, 3840)),
        ("lora_te2_text_model_final_layer_norm", "ln_final.weight", None),
        ("lora_te2_text_projection", "text_projection", None),
        ("lora_unet_add_embedding_linear_1", "label_emb.0.0.weight", None),
        ("lora_unet_label_emb_0_0", "label_emb.0.0.weight", None),
        ("lycoris_up_blocks_0_attentions_0_proj_in", "output_blocks.0.1.proj_in.weight", None),
    ],
)  # fmt: skip
def test_names_of_sdxl(module: str, weight: str, rows: tuple[int, int] | None, sdxl: Target) -> None:
    found = sdxl.site(module)
    assert found is not None
    assert (found.weight, found.rows) == (weight, rows)


def test_packed_attention_takes_its_three_names() -> None:
    text = target(SD2, "cond_stage_model.model.")
    for i in range(24):
        sites = [text.site(f"lora_te_text_model_encoder_layers_{i}_self_attn_{p}_proj") for p in "qkv"]
        found = [(each.rows, each.shape, each.bias) for each in sites if each is not None]
        bias = f"transformer.resblocks.{i}.attn.in_proj_bias"
        assert found == [((1024 * k, 1024 * (k + 1)), (1024, 1024), bias) for k in range(3)]


def test_no_name_is_of_two_places(sdxl: Target) -> None:
    """Every layer is found by its own name, whatever other names there are."""
    for name in sdxl.parts["unet"]:
        if name.endswith(".weight"):
            found = sdxl.site(f"diffusion_model.{name.removesuffix('.weight')}")
            assert found == Site("unet", name, sdxl.parts["unet"][name], found.bias if found else None)


def test_what_is_no_place_is_none(sd1: Target) -> None:
    for module in (
        "lora_unet_down_blocks_9_attentions_0_proj_in",
        "lora_te2_text_model_final_layer_norm",
        "x",
    ):
        assert sd1.site(module) is None


def test_a_file_and_its_loaded_model_have_the_same_places(models: dict[str, Model]) -> None:
    plans = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL}
    for name, plan in plans.items():
        file = Target.of_file(identify(table(checkpoint_shapes(tiny(plan)))))
        loaded = Target.of(models[name])
        assert file.name == loaded.name == name
        for part, shapes in loaded.parts.items():
            # one parameter is known to be of no use and not loaded
            assert dict(shapes).items() - dict(file.parts[part]).items() <= {("logit_scale", ())}
