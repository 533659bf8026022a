"""LoRA and its kin in training: changes beside a frozen model's layers, by the algebras that painting uses.

What acts here is what will act when the file is used: the same patches, worked out by the same code.
"""

import math
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.adapters.attach import SidePath
from gesso.adapters.keys import ENDINGS
from gesso.adapters.patch import Loaded, Patch
from gesso.adapters.site import Site, Target
from gesso.checkpoint.write import save
from gesso.errors import RequestError
from gesso.families.family import TextPart
from gesso.model import Model
from gesso.networks.open_clip_text import PackedLinear
from gesso.networks.unet import Additions
from gesso.training.recipe import SubjectRules
from gesso.training.subjects.base import Asked, Saving, Use

__all__ = ["KINDS", "LowRank"]

ATTENDED = (".transformer_blocks.", ".proj_in.", ".proj_out.")
"""In layers that look at the prompt: what LoRA changes."""
CONVOLVED = (".in_layers.", ".out_layers.", ".emb_layers.", ".skip_connection.", ".op.", ".conv.")
"""In residual and resizing blocks: what LoCon changes beside. Source: kohya-ss/sd-scripts, lora.py."""
BASES = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0", "sdxl-refiner": "sdxl_refiner_v1-0"}
"""What kohya's metadata call families."""

Tensors = dict[str, Tensor]
Maker = Callable[[Site, int, SubjectRules, torch.Generator], Tensors]


def lora(site: Site, rank: int, rules: SubjectRules, draws: torch.Generator) -> Tensors:
    """A path through the rank; up is 0, so nothing changes yet.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1; down uniform in ±1/√inputs, as kohya draws it.
    """
    del rules
    out, *kernel = site.shape
    ones = [1] * (len(kernel) - 1)
    return {"down": _uniform((rank, *kernel), draws), "up": torch.zeros(out, rank, *ones)}


def loha(site: Site, rank: int, rules: SubjectRules, draws: torch.Generator) -> Tensors:
    """Two products, multiplied number by number; one factor is 0.

    Source: Hyeon-Woo et al. 2021, arXiv:2108.06098, section 2; spreads as in LyCORIS, `loha.py`.
    """
    del rules
    out, inputs = site.shape[0], math.prod(site.shape[1:])
    return {
        "hada_w1_a": torch.randn(out, rank, generator=draws) * 0.1,
        "hada_w1_b": torch.randn(rank, inputs, generator=draws),
        "hada_w2_a": torch.zeros(out, rank),
        "hada_w2_b": torch.randn(rank, inputs, generator=draws),
    }


def lokr(site: Site, rank: int, rules: SubjectRules, draws: torch.Generator) -> Tensors:
    """A Kronecker product of a small matrix and a larger one, which is of low rank where that is smaller.

    Source: Yeh et al. 2023, arXiv:2309.14859, section 3; which is 0 as in LyCORIS, `lokr.py`.
    """
    out, inputs = split(site.shape[0], rules.factor), split(site.shape[1], rules.factor)
    columns = inputs[1] * math.prod(site.shape[2:])
    found = {"lokr_w1": _uniform((out[0], inputs[0]), draws)}
    if rank * (out[1] + columns) < out[1] * columns:
        w2 = {"lokr_w2_a": torch.zeros(out[1], rank), "lokr_w2_b": _uniform((rank, columns), draws)}
    else:
        w2 = {"lokr_w2": torch.zeros(out[1], inputs[1], *site.shape[2:])}
    return found | w2


def split(size: int, factor: int) -> tuple[int, int]:
    """A size as a product of a smaller and a larger number.

    Args:
        factor: the most that the smaller may be; -1 for as near to the root as can be.
    """
    most = math.isqrt(size) if factor == -1 else min(factor, math.isqrt(size))
    small = next(each for each in range(max(1, most), 0, -1) if size % each == 0)
    return small, size // small


KINDS: Mapping[str, Maker] = {"lora": lora, "loha": loha, "lokr": lokr}
"""How each kind begins, by the names that recipes use."""


@dataclass
class Beside:
    """One change while it is learnt, as a forward hook of its layer."""

    patch: Patch
    tensors: nn.ParameterDict
    alpha: Tensor

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The layer's output, changed."""
        loaded = Loaded(self.patch, {**dict(self.tensors.items()), "alpha": self.alpha})
        path = loaded.low_rank()
        if path is not None:
            return SidePath(path, 1.0, self.patch.site.rows)(layer, inputs, output)
        return output + self._dense(loaded, layer, inputs, output)

    def _dense(self, loaded: Loaded, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """What a change adds to the output that has no path of its own."""
        weight = inputs[1] if isinstance(layer, PackedLinear) else layer.get_parameter("weight")
        rows = self.patch.site.rows or (0, len(weight))
        change = loaded.change(weight[slice(*rows)].detach().float()).to(output.dtype)
        if isinstance(layer, nn.Conv2d):
            return functional.conv2d(inputs[0], change, None, layer.stride, layer.padding)
        added = functional.linear(inputs[0], change)
        return functional.pad(added, (rows[0], output.shape[-1] - rows[1]))


class LowRank:
    """A file of changes in training.

    Args:
        model: frozen; only hooked while the changes act.
        rules: which kind, of which rank, where.
        generator: decides the first numbers.
    """

    def __init__(self, model: Model, rules: SubjectRules, generator: torch.Generator) -> None:
        self.model = model
        self.rules = rules
        parts = {part: nn.ModuleDict() for part in model.networks}
        self.patches: dict[str, Patch] = {}
        for name, site, rank in _chosen(model, rules):
            tensors = KINDS[rules.kind](site, rank, rules, generator)
            if rules.decompose:
                tensors["dora"] = _sizes(model, site)
            parts[site.part][name] = nn.ParameterDict(
                {role: nn.Parameter(tensor.to(model.device)) for role, tensor in tensors.items()}
            )
            roles = {role: name + ENDINGS[role] for role in (*tensors, "alpha")}
            self.patches[name] = Patch(name, site, roles)
        self.module = nn.ModuleDict({part: each for part, each in parts.items() if len(each)})
        if not self.patches:
            raise RequestError("a LoRA must change some layer, however: the model has none of the chosen")

    @contextmanager
    def learning(self) -> Generator[None]:
        """Hooked to the model while the block runs."""
        with ExitStack() as undo:
            for name, patch in self.patches.items():
                layer = self._layer(patch.site)
                hook = Beside(patch, self._tensors(name), torch.tensor(self._alpha(patch.site)))
                handle = layer.register_forward_hook(hook)  # pyright: ignore[reportArgumentType] - any callable does
                undo.callback(handle.remove)
            yield

    def additions(self, asked: Asked) -> Additions | None:
        """Nothing: hooks do all."""
        del asked

    def write(self, path: Path, weights: Mapping[str, Tensor], saving: Saving) -> None:
        """Write a file as kohya and LyCORIS do."""
        tensors: Tensors = {}
        for name, patch in self.patches.items():
            for role in self._tensors(name):
                tensors[patch.names[role]] = weights[f"{patch.site.part}.{name}.{role}"]
            tensors[patch.names["alpha"]] = torch.tensor(self._alpha(patch.site))
        save(path, tensors, metadata={**saving.metadata, **self._said()}, dtype=saving.dtype or torch.float16)

    def use(self, path: Path) -> Use:
        """On the model that it was trained on."""
        return Use(fields=lambda _: {"loras": ({"file": path},)})

    def _layer(self, site: Site) -> nn.Module:
        layer = self.model.networks[site.part].get_submodule(site.layer)
        return layer if site.rows is None else layer.get_submodule("in_proj")

    def _tensors(self, name: str) -> nn.ParameterDict:
        found = self.module.get_submodule(f"{self.patches[name].site.part}.{name}")
        assert isinstance(found, nn.ParameterDict)
        return found

    def _alpha(self, site: Site) -> float:
        """The recipe's scale, kept for a rank that is another there."""
        rank = _rank(site, self.rules)
        return float(rank if self.rules.alpha is None else self.rules.alpha * rank / self.rules.rank)

    def _said(self) -> dict[str, str]:
        module = "networks.lora" if self.rules.kind == "lora" else "lycoris.kohya"
        return {
            "ss_network_module": module,
            "ss_network_dim": str(self.rules.rank),
            "ss_network_alpha": str(self.rules.alpha or float(self.rules.rank)),
            "ss_base_model_version": BASES[self.model.identity.family.name],
            "ss_sd_model_name": self.model.path.name,
        }


def _chosen(model: Model, rules: SubjectRules) -> Iterator[tuple[str, Site, int]]:
    """The layers that are changed, with their names in the file and ranks."""
    layers = tuple(Target.of(model).layers())
    read = {part.name: _read(part, layers) for part in model.identity.text}
    for name, site in layers:
        wanted = rules.unet if site.part == "unet" else rules.text and _block(name) < read[site.part]
        if wanted and len(site.shape) > 1 and (rank := _rank(site, rules)):
            yield name, site, rank


def _read(part: TextPart, layers: Sequence[tuple[str, Site]]) -> int:
    """How many blocks of a text encoder are changed.

    The last of SD 2.x, which is read before it, is missing in its copies in Hugging Face's layout; other
    programs stumble over a file that has it, and over a file for SDXL that has not.
    """
    depth = 1 + max(_block(name) for name, site in layers if site.part == part.name)
    return depth + part.layer + 1 if part.normed and not part.pooled else depth


def _block(name: str) -> int:
    found = re.search(r"_encoder_layers_(\d+)_", name)
    return int(found[1]) if found else 0


def _rank(site: Site, rules: SubjectRules) -> int:
    """Of a layer's change; 0 where it has none."""
    weight = f".{site.weight}"
    if site.part != "unet" or any(each in weight for each in ATTENDED):
        return rules.rank
    if rules.conv_rank is None or not any(each in weight for each in CONVOLVED):
        return 0
    return rules.conv_rank if len(site.shape) == 4 and site.shape[-1] > 1 else rules.rank


def _uniform(shape: tuple[int, ...], draws: torch.Generator) -> Tensor:
    bound = math.prod(shape[1:]) ** -0.5
    return torch.empty(shape).uniform_(-bound, bound, generator=draws)


def _sizes(model: Model, site: Site) -> Tensor:
    """DoRA's first magnitudes: the size of each output's weights, so that nothing changes yet."""
    weight = model.networks[site.part].get_parameter(site.weight).detach().float()
    rows = weight if site.rows is None else weight[slice(*site.rows)]
    return rows.flatten(1).norm(dim=1).reshape(-1, *[1] * (rows.ndim - 1)).cpu()
