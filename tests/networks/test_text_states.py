"""Where a prompt is read as one vector."""

import torch

from gesso.networks.text_states import at_end_of_text


def test_the_first_of_several_ends_is_taken_in_every_row() -> None:
    tokens = torch.tensor([[7, 1, 9, 9], [7, 9, 9, 9], [7, 1, 2, 9]])
    states = torch.arange(12.0).reshape(3, 4, 1)
    assert at_end_of_text(states, tokens).flatten().tolist() == [2.0, 5.0, 11.0]
