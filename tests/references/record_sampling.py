"""Records what k-diffusion and diffusers make of one small walk, for tests/sampling/test_samplers.py.

    python tests/references/record_sampling.py K_DIFFUSION_CHECKOUT

needs diffusers, torchsde and scipy. The denoiser is `mixture` of tests/sampling/fakes.py, everything is in
float64, and every walk starts from the same x. Each walk is stored as its levels and its last x:

    x, noise                     the start; the noise of each step, where it is drawn
    kd.NAME, kd.NAME.part        k-diffusion over kd.sigmas, and over all but its last two levels
    df.NAME, df.NAME.sigmas      diffusers, with x scaled by 1/√ᾱ

Recorded with k-diffusion 4601bf0 and diffusers 0.42.1.
"""

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.sampling.fakes import mixture  # noqa: E402

SHAPE = (2, 2, 3, 3)
BROWNIAN_SEEDS = [7, 8]


def load_k_diffusion(checkout: Path) -> types.ModuleType:
    """k-diffusion's sampling.py alone: the package's other modules want libraries that are not needed."""
    package, utils = types.ModuleType("k_diffusion"), types.ModuleType("k_diffusion.utils")
    package.__path__ = [str(checkout / "k_diffusion")]
    utils.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    package.utils = utils
    torchdiffeq, tqdm = types.ModuleType("torchdiffeq"), types.ModuleType("tqdm.auto")
    torchdiffeq.odeint = None
    tqdm.trange, tqdm.tqdm = (lambda steps, **_: range(steps)), None
    stubs = {
        "k_diffusion": package,
        "k_diffusion.utils": utils,
        "torchdiffeq": torchdiffeq,
        "tqdm.auto": tqdm,
    }
    sys.modules.update(stubs)
    spec = importlib.util.spec_from_file_location(
        "k_diffusion.sampling", checkout / "k_diffusion" / "sampling.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    del sys.modules["tqdm.auto"]
    return module


K_DIFFUSION = {
    "euler": ("euler", {}),
    "euler.churn": ("euler", {"s_churn": 2.0, "s_noise": 1.01}),
    "heun": ("heun", {}),
    "heun.churn": ("heun", {"s_churn": 2.0, "s_noise": 1.01}),
    "dpm_2": ("dpm_2", {}),
    "dpm_2.churn": ("dpm_2", {"s_churn": 2.0, "s_noise": 1.01}),
    "lms": ("lms", {}),
    "dpmpp_2m": ("dpmpp_2m", {}),
    "euler_ancestral": ("euler_ancestral", {}),
    "dpm_2_ancestral": ("dpm_2_ancestral", {"eta": 0.7}),
    "dpmpp_2s_ancestral": ("dpmpp_2s_ancestral", {"s_noise": 0.9}),
    "dpmpp_sde": ("dpmpp_sde", {}),
    "dpmpp_2m_sde": ("dpmpp_2m_sde", {}),
    "dpmpp_2m_sde.heun": ("dpmpp_2m_sde", {"solver_type": "heun", "eta": 0.6}),
    "dpmpp_3m_sde": ("dpmpp_3m_sde", {}),
}


def record_k_diffusion(kd: types.ModuleType, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """Every sampler over the whole schedule and over a part that ends above 0."""
    # as Python floats the levels are then exactly those that gesso is given
    sigmas = kd.get_sigmas_karras(8, 0.0291671581, 14.614641).double()
    found = {"kd.sigmas": sigmas}
    for key, (name, options) in K_DIFFUSION.items():
        for suffix, levels in (("", sigmas), (".part", sigmas[:-2])):
            left = iter(noise)
            arguments = dict(options)
            if "sde" in name:
                arguments["noise_sampler"] = kd.BrownianTreeNoiseSampler(
                    x.float(), sigmas[-2], sigmas[0], seed=BROWNIAN_SEEDS
                )
            elif "ancestral" in name:
                arguments["noise_sampler"] = lambda *_, left=left: next(left)
            randn_like, torch.randn_like = torch.randn_like, lambda _, left=left: next(left)
            try:
                walk = getattr(kd, f"sample_{name}")
                found[f"kd.{key}{suffix}"] = walk(
                    lambda x, s: mixture(x, s[0].item()), x, levels, **arguments
                )
            finally:
                torch.randn_like = randn_like
    return found


def walk(scheduler: object, x: Tensor, levels: Callable[[int], float], **step: object) -> Tensor:
    """A diffusers scheduler's own loop, told the noise; x is in gesso's scale before and after."""
    ratio = (1 + levels(0) ** 2) ** 0.5
    scaled = x / ratio
    for index, t in enumerate(scheduler.timesteps):
        sigma = levels(index)
        ratio = (1 + sigma**2) ** 0.5
        eps = (scaled * ratio - mixture(scaled * ratio, sigma)) / sigma
        extra = {key: value[index] for key, value in step.items() if key == "variance_noise"}
        extra |= {key: value for key, value in step.items() if key != "variance_noise"}
        scaled = scheduler.step(eps, t, scaled, **extra).prev_sample
    return scaled


def trained(scheduler: object) -> Tensor:
    """σ of every trained time; the scheduler's table is put into float64."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, 0)
    return (1 / scheduler.alphas_cumprod - 1) ** 0.5


def record_diffusers(x: Tensor, noise: Tensor) -> dict[str, Tensor]:
    """Every scheduler whose equations gesso takes over from there."""
    import diffusers
    from diffusers.schedulers import scheduling_ddpm, scheduling_lcm, scheduling_tcd

    table = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    found: dict[str, Tensor] = {}

    def by_sigmas(name: str, scheduler: object, steps: int, *, walked: int | None = None) -> None:
        scheduler.set_timesteps(steps)
        scheduler.sigmas = scheduler.sigmas.double()
        scheduler.timesteps = scheduler.timesteps[:walked]
        levels = scheduler.sigmas.tolist()[: len(scheduler.timesteps) + 1]
        last = walk(scheduler, x, lambda i: levels[i]) * (1 + levels[-1] ** 2) ** 0.5
        walked_levels = torch.tensor(levels, dtype=torch.float64)
        found.update({f"df.{name}": last, f"df.{name}.sigmas": walked_levels})

    def by_times(name: str, scheduler: object, last: float, **step: object) -> None:
        sigmas = trained(scheduler)
        levels = [*sigmas[scheduler.timesteps].tolist(), last]
        end = walk(scheduler, x, lambda i: levels[i], **step) * (1 + last**2) ** 0.5
        walked = torch.tensor(list(dict.fromkeys(levels)), dtype=torch.float64)
        found.update({f"df.{name}": end, f"df.{name}.sigmas": walked})

    for order, variant in ((2, "bh2"), (3, "bh1"), (3, "bh2")):
        unipc = diffusers.UniPCMultistepScheduler(
            **table, solver_order=order, solver_type=variant, lower_order_final=variant == "bh2"
        )
        # with bh1, diffusers' step to 0 is 0 times infinity, so the last step is not walked there
        by_sigmas(f"uni_pc.{order}.{variant}", unipc, 8, walked=None if variant == "bh2" else 7)
    for order in (2, 3):
        by_sigmas(f"deis.{order}", diffusers.DEISMultistepScheduler(**table, solver_order=order), 16)

    ddim = diffusers.DDIMScheduler(**table, clip_sample=False, set_alpha_to_one=True)
    ddim.set_timesteps(8)
    by_times("ddim", ddim, 0.0, eta=0.7, variance_noise=noise)

    sigma_0 = trained(diffusers.DDIMScheduler(**table))[0].item()
    plms = diffusers.PNDMScheduler(**table, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    plms.set_timesteps(8)
    sigmas = trained(plms)
    plms.final_alpha_cumprod = plms.alphas_cumprod[0]
    by_times("plms", plms, sigma_0)

    for name, module, scheduler in (
        ("ddpm", scheduling_ddpm, diffusers.DDPMScheduler(**table, clip_sample=False)),
        ("lcm", scheduling_lcm, diffusers.LCMScheduler(**table, clip_sample=False)),
        ("tcd", scheduling_tcd, diffusers.TCDScheduler(**table, clip_sample=False)),
    ):
        left = iter(noise)
        module.randn_tensor = lambda *_, left=left, **__: next(left)
        if name == "tcd":
            scheduler.set_timesteps(timesteps=[999, 760, 500, 240])
        else:
            scheduler.set_timesteps(4 if name == "lcm" else 8)
        by_times(
            name, scheduler, sigma_0 if name == "tcd" else 0.0, **({"eta": 0.25} if name == "tcd" else {})
        )

    found |= ipndm(x, sigmas)
    return found


def ipndm(x: Tensor, sigmas: Tensor) -> dict[str, Tensor]:
    """diffusers' iPNDM counts noise by its own betas and takes v for eps."""
    import diffusers

    levels = sigmas[torch.linspace(999, 60, 9).long()]
    scheduler = diffusers.IPNDMScheduler(trained_betas=(levels / (1 + levels**2) ** 0.5).tolist())
    scheduler.set_timesteps(8)
    scheduler.betas = levels / (1 + levels**2) ** 0.5
    scheduler.alphas = 1 / (1 + levels**2) ** 0.5
    scaled = x * scheduler.alphas[0]
    for index, t in enumerate(scheduler.timesteps):
        sigma = levels[index].item()
        full = scaled * (1 + sigma**2) ** 0.5
        eps = (full - mixture(full, sigma)) / sigma
        v = (eps - scheduler.betas[index] * scaled) / scheduler.alphas[index]
        scaled = scheduler.step(v, t, scaled).prev_sample
    return {"df.ipndm": scaled / scheduler.alphas[-1], "df.ipndm.sigmas": levels}


def main() -> None:
    """Write the references next to this script."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SHAPE, generator=generator, dtype=torch.float64) * 14.614641
    noise = torch.randn((20, *SHAPE), generator=generator, dtype=torch.float64)
    found = {"x": x, "noise": noise}
    found |= record_k_diffusion(load_k_diffusion(Path(sys.argv[1])), x, noise)
    found |= record_diffusers(x, noise)
    save_file(
        {key: value.contiguous() for key, value in found.items()},
        Path(__file__).with_name("sampling.safetensors"),
    )


if __name__ == "__main__":
    main()
