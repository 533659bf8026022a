import pytest

from gesso.sampling.unipc import Variant, uni_pc
from tests.sampling.fakes import Forbidden, distance, last, mixture, references

FOUND = references()


@pytest.mark.parametrize(("order", "variant"), [(2, "bh2"), (3, "bh1"), (3, "bh2")])
def test_it_walks_as_diffusers_does(order: int, variant: Variant) -> None:
    sigmas = tuple(FOUND[f"df.uni_pc.{order}.{variant}.sigmas"].tolist())
    walked = last(uni_pc(mixture, FOUND["x"], sigmas, Forbidden(), order=order, variant=variant))
    assert distance(walked, FOUND[f"df.uni_pc.{order}.{variant}"]) < 1e-12


def test_looking_back_less_at_the_end_is_a_choice_for_runs_to_zero() -> None:
    def walk(sigmas: tuple[float, ...], *, lower: bool) -> float:
        x = last(uni_pc(mixture, FOUND["x"], sigmas, Forbidden(), lower_order_final=lower))
        return x.sum().item()

    to_zero = (14.0, 8.0, 4.0, 2.0, 0.9, 0.3, 0.0)
    assert walk(to_zero, lower=True) != walk(to_zero, lower=False)
    assert walk(to_zero[:-1], lower=True) == walk(to_zero[:-1], lower=False)
