"""Small layouts, one for each way in which the published ones differ."""

from benchmarks.parity_cases import Case
from gesso.families.blueprint import AutoencoderPlan, CheckpointPlan, ClipPlan, OpenClipPlan, UNetPlan

PICTURES = AutoencoderPlan(width=32, multipliers=(1, 2, 2), blocks=1)
CLIP = ClipPlan(width=48, layers=3, positions=20, vocabulary=500)
OPEN_CLIP = OpenClipPlan(width=64, layers=3, positions=20, vocabulary=500, projection=64)
# 12 x 20 latents become odd two levels down
LATENTS = (12, 20)


def eight(_: int) -> int:
    """As many heads at every width, as in v1."""
    return 8


def by_sixteen(width: int) -> int:
    """Heads of one width, as in every family after v1."""
    return width // 16


CASES = {
    "v1": Case(
        CheckpointPlan(
            UNetPlan(width=32, multipliers=(1, 2, 2, 2), blocks=1, context=48),
            PICTURES,
            (("clip.", CLIP),),
            schedule=True,
        ),
        eight,
        by_sixteen,
        LATENTS,
    ),
    "v2": Case(
        CheckpointPlan(
            UNetPlan(
                in_channels=9,
                width=32,
                multipliers=(1, 2, 2, 2),
                depths=(1, 1, 1, 0),
                context=64,
                linear=True,
            ),
            AutoencoderPlan(width=32, multipliers=(1, 2), blocks=2),
            (("open.", OPEN_CLIP),),
            schedule=True,
        ),
        by_sixteen,
        by_sixteen,
        LATENTS,
    ),
    "xl": Case(
        CheckpointPlan(
            UNetPlan(
                width=32,
                multipliers=(1, 2, 4),
                depths=(0, 2, 3),
                middle=3,
                context=112,
                vector=112,
                linear=True,
            ),
            PICTURES,
            (("clip.", ClipPlan(48, 3, 20, 500, projection=32)), ("open.", OPEN_CLIP)),
            schedule=False,
        ),
        by_sixteen,
        by_sixteen,
        LATENTS,
        sizes=6,
        size_width=8,
    ),
    "refiner": Case(
        CheckpointPlan(
            UNetPlan(
                width=32,
                multipliers=(1, 2, 4, 4),
                blocks=1,
                depths=(0, 2, 2, 0),
                middle=2,
                context=64,
                vector=104,
                linear=True,
            ),
            PICTURES,
            (("open.", OPEN_CLIP),),
            schedule=False,
        ),
        by_sixteen,
        by_sixteen,
        LATENTS,
        sizes=5,
        size_width=8,
    ),
}
