from typing import Any

import pytest

from gesso.checkpoint.file import Checkpoint
from gesso.errors import Unsupported
from gesso.families.identify import Identity, identify
from gesso.generation.plan import plan
from gesso.request import Request
from gesso.sampling.levels import TrainedLevels
from tests.headers import families, write_header

REFUSED: dict[str, dict[str, Any]] = {
    "takes 19 calls for 10 steps": {"sampler": "heun"},
    "windows": {"windows": {}},
    "self-attention": {"guidance": {"self_attention": 1.0}},
    "FreeU": {"guidance": {"free_u": {}}},
    "a reference": {"reference": "painting.png"},
    "13 of 12": {"shortcuts": {"caching": {"every": 2, "depth": 13}}},
}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    path = tmp_path_factory.mktemp("headers") / "sd1.safetensors"
    return identify(Checkpoint.open(write_header(path, families()["sd1"][0])))


def asked(**fields: Any) -> Request:
    plain = {"prompt": "a cat", "steps": 10, "seed": 1, "shortcuts": {"caching": {"every": 2}}}
    return Request.model_validate(plain | fields)


@pytest.mark.parametrize("says", REFUSED)
def test_what_a_cache_cannot_go_with_is_refused(says: str, identity: Identity) -> None:
    with pytest.raises(Unsupported, match=says):
        plan(asked(**REFUSED[says]), identity, TrainedLevels.scaled_linear(), 8)


def test_what_it_can_go_with_is_planned(identity: Identity) -> None:
    fields = {"guidance": {"perturbation": {}, "interval": (0.2, 0.8)}, "sampler": "uni_pc"}
    found = plan(asked(**fields), identity, TrainedLevels.scaled_linear(), 8).passes[0]
    assert found.inner_evaluations < found.evaluations
