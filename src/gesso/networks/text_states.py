"""What a text encoder says of a prompt."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["TextStates", "at_end_of_text"]


@dataclass(frozen=True, slots=True)
class TextStates:
    """A prompt after every layer of the encoder.

    Args:
        hidden: the embedded words, then the output of every block, none of them through the final norm;
            the last is `hidden[-1]`, the penultimate `hidden[-2]`.
        pooled: one vector for the whole prompt.
    """

    hidden: tuple[Float[Tensor, "b n d"], ...]
    pooled: Float[Tensor, "b p"]


def at_end_of_text(states: Float[Tensor, "b n d"], tokens: Int[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """The state at the first end-of-text token, where a causal encoder has seen the whole prompt.

    End-of-text has the highest id of the vocabulary, so the place needs no number of its own.

    Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision",
    section 2.4, and its code.
    """
    rows = torch.arange(len(tokens), device=states.device)
    return states[rows, tokens.argmax(dim=-1).to(states.device)]
