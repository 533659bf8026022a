import pytest

from gesso.families.family import Defaults
from gesso.families.few_steps import KINDS, FewSteps, few_steps
from gesso.sampling.samplers import sampler
from gesso.sampling.schedules import schedule


@pytest.mark.parametrize(
    ("name", "title", "steps"),
    [
        ("sdxl_lightning_4step", "Lightning", 4),
        ("sdxl_lightning_8step_lora", "Lightning", 8),
        ("JuggernautXL_Lightning", "Lightning", 4),
        ("Hyper-SDXL-8steps-lora", "Hyper-SD", 8),
        ("Hyper-SD15-1step-lora", "Hyper-SD", 1),
        ("sd_xl_turbo_1.0_fp16", "Turbo", 4),
        ("dreamshaperXL_v21TurboDPMSDE", "Turbo", 4),
        ("lcm-lora-sdv1-5", "LCM", 4),
        ("LCM_Dreamshaper_v7", "LCM", 4),
        ("dmd2_sdxl_4step_lora", "DMD2", 4),
        ("pytorch_lora_tcd", "TCD", 4),
        ("lightning_100steps", "Lightning", 4),
    ],
)
def test_published_names_are_known(name: str, title: str, steps: int) -> None:
    found = few_steps(["a title that says nothing", name])
    assert found is not None
    assert (found.title, found.steps) == (title, steps)


@pytest.mark.parametrize(
    "name",
    ["", "v1-5-pruned", "turbocat", "lightningstorm", "hyperRealism_v3", "hyper photo", "calm", "30steps"],
)
def test_a_part_of_a_word_is_not_a_name(name: str) -> None:
    assert few_steps([name]) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.title)
def test_what_is_meant_is_there_and_the_size_stays(kind: FewSteps) -> None:
    found = kind.over(Defaults(size=(512, 512)))
    assert found.size == (512, 512)
    assert found.cfg == 1.0
    assert sampler(found.sampler)
    assert schedule(found.schedule)
    assert kind.source
