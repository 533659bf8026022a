"""Autoencoders of other sizes."""

from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes


def test_the_encoder_says_a_mean_and_a_variance_for_every_latent() -> None:
    shapes = autoencoder_shapes(AutoencoderPlan(latents=16))
    assert shapes["encoder.conv_out.weight"][0] == 32
    assert shapes["decoder.conv_in.weight"][1] == 16


def test_what_is_left_out_leaves_no_tensor() -> None:
    shapes = autoencoder_shapes(AutoencoderPlan(attention=False, quantised=False))
    assert not any("attn" in name or "quant" in name for name in shapes)


def test_every_level_but_one_changes_the_size() -> None:
    shapes = autoencoder_shapes(AutoencoderPlan(multipliers=(1, 2, 2)))
    assert sum("downsample.conv.bias" in name for name in shapes) == 2
    assert sum("upsample.conv.bias" in name for name in shapes) == 2
    assert "decoder.up.0.upsample.conv.bias" not in shapes
