"""diffusers and OpenVINO as far as the bench calls them, so that its tests need neither."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn

__all__ = ["Pipe", "settle"]


class Network(nn.Module):
    """diffusers' UNet or autoencoder, smaller."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 1)
        self.part = part
        self.config = SimpleNamespace(cross_attention_dim=8, addition_embed_type=None)

    @property
    def dtype(self) -> torch.dtype:
        return self.layer.weight.dtype

    @classmethod
    def load_config(cls, folder: str, subfolder: str) -> str:
        assert folder.endswith("config")
        return subfolder

    @classmethod
    def from_config(cls, part: str) -> Self:
        return cls(part)

    @classmethod
    def from_single_file(cls, _: str, *, subfolder: str, torch_dtype: torch.dtype, **_more: object) -> Self:
        return cls(subfolder).to(torch_dtype)

    def forward(
        self,
        sample: Tensor,
        t: Tensor,
        encoder_hidden_states: Tensor,
        *,
        added_cond_kwargs: Any = None,
        **_: Any,
    ) -> tuple[Tensor]:
        assert t.dtype is torch.float32
        assert not added_cond_kwargs
        return (self.layer(sample) + encoder_hidden_states.mean(),)

    def decode(self, latents: Tensor, **_: object) -> tuple[Tensor]:
        return (self.layer(latents),)


class Pipe:
    """A pipeline: calls both parts at every step, as the real ones do."""

    made: "list[Pipe]"

    def __init__(self, file: str, given: dict[str, Any]) -> None:
        self.file, self.given = file, given
        self.unet = given.get("unet") or Network("unet").to(given["torch_dtype"])
        self.vae = given.get("vae") or Network("vae").to(given["torch_dtype"])
        self.scheduler = SimpleNamespace(config={})
        self.steps: list[int] = []
        self.device = "cpu"
        self.made.append(self)

    @classmethod
    def from_single_file(cls, file: str, **given: Any) -> Self:
        return cls(file, given)

    def to(self, device: str) -> Self:
        self.device = device
        return self

    def set_progress_bar_config(self, *, disable: bool) -> None:
        assert disable

    def __call__(
        self, *, num_inference_steps: int, height: int, callback_on_step_end: Any = None, **_: object
    ) -> Tensor:
        self.steps.append(num_inference_steps)
        x = torch.randn(2, 4, height // 8, height // 8).to(self.given["torch_dtype"])
        for step in range(num_inference_steps):
            words = torch.randn(2, 77, 8).to(x.dtype)
            x = self.unet(x, torch.tensor(5.0), encoder_hidden_states=words)[0]
            if callback_on_step_end is not None:
                callback_on_step_end(self, step, 0, {})
        return self.vae.decode(x[:1], return_dict=False)[0]


class Compiled:
    """An OpenVINO model at work: answers with twice what it was given first."""

    def __init__(self, file: str, options: dict[str, str]) -> None:
        assert Path(file).exists()
        assert options["INFERENCE_PRECISION_HINT"] == "bf16"

    def create_infer_request(self) -> Self:
        return self

    def infer(self, arrays: dict[int, np.ndarray], *, share_inputs: bool) -> dict[int, np.ndarray]:
        assert share_inputs
        assert all(each.dtype == np.float32 for each in arrays.values())
        return {0: arrays[0] * 2}


def _converted(module: nn.Module, *, example_input: tuple[Tensor, ...], **told: object) -> str:
    return f"{told['input']} {module(*example_input).dtype}"


def _written(found: str, out: str, **_: object) -> None:
    Path(out).write_text(found)


def settle(monkeypatch: pytest.MonkeyPatch) -> list[Pipe]:
    """Put the stand-ins where imports look; returns the pipelines as they are made."""
    diffusers, openvino = ModuleType("diffusers"), ModuleType("openvino")
    euler = SimpleNamespace(from_config=lambda _: "euler")
    kinds = {"UNet2DConditionModel": Network, "AutoencoderKL": Network, "EulerDiscreteScheduler": euler}
    vars(diffusers).update(kinds, StableDiffusionPipeline=Pipe, StableDiffusionXLPipeline=Pipe)
    core = SimpleNamespace(compile_model=lambda file, _, options: Compiled(file, options))
    vars(openvino).update(
        Core=lambda: core,
        convert_model=_converted,
        save_model=_written,
    )
    monkeypatch.setitem(sys.modules, "diffusers", diffusers)
    monkeypatch.setitem(sys.modules, "openvino", openvino)
    monkeypatch.setattr(Pipe, "made", [], raising=False)
    return Pipe.made
