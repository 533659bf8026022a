"""Accounting: every tensor of a file is used, known and ignored by name, or unknown."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from gesso.checkpoint.shapes import Shapes

__all__ = ["Account", "account"]

IGNORED: tuple[tuple[str, str], ...] = (
    (
        r"(noise_augmentor\.)?(betas|alphas_cumprod(_prev)?|(log_)?(sqrt_)?(one_minus|recip|recipm1)_?\w*|sqrt_alphas_cumprod)",
        "schedule",
    ),
    (
        r"(noise_augmentor\.)?(posterior_\w+|logvar|lvlb_weights|scale_factor|sigmas|denoiser\.sigmas)",
        "schedule",
    ),
    (r"model_ema\.\S+", "averaged weights"),
    (r"(first_stage_model\.loss|loss)\.\S+", "training loss"),
    (r"first_stage_model\.(model_ema\S*|global_step)", "training state of the autoencoder"),
    (r"\S*position_ids", "token positions, made anew"),
    (r"\S*\.logit_scale", "contrastive scale, not used for painting"),
    (
        r"(cond_stage_model|conditioner\.embedders\.\d)\.(transformer\.)?text_projection(\.weight)?",
        "unused projection",
    ),
    (r"(cond_stage_model|conditioner\.embedders\.\d)\.model\.(visual\.\S+|attn_mask)", "image encoder"),
    (
        r"(cond_stage_model|conditioner\.embedders\.\d)\.transformer\.(vision_model|visual_projection)\.\S+",
        "image encoder",
    ),
    (
        r"embedder\.model\.(?!visual\.|vision_model\.|visual_projection\.)\S+",
        "the half of CLIP that reads words",
    ),
    (r"depth_model\.\S+", "depth estimator; the picture of depth is named instead"),
    (r"(embedding_manager|lora_te_text_model|control_model)\S*", "leftover of another program"),
    (r"(optimizer_states|optimizer|callbacks|lr_schedulers|hyper_parameters)\S*", "training state"),
    (r"(global_step|epoch|state)", "training state"),
    (r"(v_pred|ztsnr|edm_mean|edm_std|edm_vpred\.sigma_(max|min)|scaled_fp8)", "marker"),
)
"""Names that are known to carry nothing a picture needs, each with the reason."""


@dataclass(frozen=True)
class Account:
    """What became of every tensor of a file.

    Args:
        used: names, by the part that uses them.
        ignored: number of tensors, by the reason they are not needed.
        unknown: names that nothing accounts for.
    """

    used: dict[str, tuple[str, ...]]
    ignored: dict[str, int]
    unknown: tuple[str, ...]


def account(shapes: Shapes, prefixes: dict[str, str], needed: Iterable[str] = ()) -> Account:
    """Sort every tensor of a header into used, ignored and unknown.

    Args:
        prefixes: each part's name and where its tensors are.
        needed: full names that a network does use although a rule would ignore them.
    """
    used: dict[str, list[str]] = {part: [] for part in prefixes}
    ignored: Counter[str] = Counter()
    unknown: list[str] = []
    keep = frozenset(needed)
    for name in shapes:
        reason = None if name in keep else _reason(name)
        part = next((part for part, prefix in prefixes.items() if name.startswith(prefix)), None)
        if reason is not None:
            ignored[reason] += 1
        elif part is not None:
            used[part].append(name)
        else:
            unknown.append(name)
    return Account({part: tuple(names) for part, names in used.items()}, dict(ignored), tuple(unknown))


def _reason(name: str) -> str | None:
    return next((reason for pattern, reason in IGNORED if re.fullmatch(pattern, name)), None)
