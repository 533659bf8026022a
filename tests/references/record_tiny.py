"""Record what diffusers' AutoencoderTiny says with small random weights.

    python -m tests.references.record_tiny

Inputs and weights come from names (benchmarks/parity_cases.py), so only the outputs are stored.
"""

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from safetensors.torch import save_file
from torch import Tensor

from gesso.families.autoencoder_plan import tiny_decoder_shapes, tiny_encoder_shapes
from tests.references.networks_said import HERE, weights
from tests.references.tiny_cases import WIDTH, latents, pixels


def named() -> dict[str, Tensor]:
    """The weights as diffusers names them: the decoder's layers counted from its first convolution."""
    found = {f"encoder.layers.{name}": each for name, each in weights(tiny_encoder_shapes(WIDTH)).items()}
    for name, each in weights(tiny_decoder_shapes(WIDTH)).items():
        number, _, end = name.partition(".")
        found[f"decoder.layers.{int(number) - 1}.{end}"] = each
    return found


if __name__ == "__main__":
    widths = (WIDTH,) * 4
    network = AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths)
    network.load_state_dict(named())
    with torch.no_grad():
        said = {"pixels": network.decode(latents()).sample, "latents": network.encode(pixels()).latents}
    save_file({name: each.contiguous() for name, each in said.items()}, HERE / "tiny.safetensors")
