import torch

from gesso.networks.inpaint_head import InpaintHead


def test_a_picture_goes_on_as_it_ends() -> None:
    """A head that takes the mean of its surroundings says of an even picture the same everywhere."""
    head = InpaintHead({"head": (2, 5, 3, 3)})
    head.load_state_dict({"head": torch.full((2, 5, 3, 3), 1 / 9)})
    with torch.no_grad():
        found = head(torch.ones(1, 5, 4, 6))
    torch.testing.assert_close(found, torch.full((1, 2, 4, 6), 5.0))
    assert (head.width, head.channels) == (2, 5)
