import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.generation.infotext import (
    SAMPLER_TITLES,
    SCHEDULE_TITLES,
    Infotext,
    parse,
    sampler_named,
    schedule_named,
    write,
)
from gesso.sampling.samplers import SAMPLERS
from gesso.sampling.schedules import SCHEDULES

FULL = Infotext(
    prompt="a cat,\na mat",
    negative="blurry\nugly",
    steps=20,
    sampler="dpmpp_2m",
    schedule="karras",
    cfg=7.0,
    seed=42,
    size=(512, 768),
    model_hash="6ce0161689",
    model="v1-5-pruned-emaonly",
    strength=0.75,
    clip_skip=2,
    noise="cpu",
    version="gesso 0.1.0",
    others={"Refiner": "xl: b, c", "Variation seed": "7", "Lora hashes": "a: 1"},
)
TEXT = """a cat,
a mat
Negative prompt: blurry
ugly
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Variation seed: 7, Denoising strength: 0.75, \
Clip skip: 2, RNG: CPU, Refiner: "xl: b, c", Lora hashes: "a: 1", Version: gesso 0.1.0"""


def test_the_text_is_the_web_ui_s_line_for_line():
    assert write(FULL) == TEXT
    assert parse(TEXT) == FULL


WEB_UI = """masterpiece
Negative prompt: low quality
Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 1234567890, Size: 832x1216, Model hash: abcd, \
Model: some_model, ADetailer prompt: "eyes, \\"sharp\\"", Clip skip: 2, \
Hires upscale: 1.5, Sampler x: y, Version: v1.6.0"""


def test_a_text_of_the_web_ui_is_understood_and_nothing_is_dropped():
    read = parse(WEB_UI)
    assert (read.sampler, read.schedule, read.cfg, read.clip_skip) == ("dpmpp_2m", "karras", 5.5, 2)
    assert (read.seed, read.size, read.noise) == (1234567890, (832, 1216), "cuda")
    assert read.others == {"ADetailer prompt": 'eyes, "sharp"', "Hires upscale": "1.5", "Sampler x": "y"}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "Steps: 1, Sampler: DPM adaptive, Seed: 2",
            Infotext(steps=1, seed=2, others={"Sampler": "DPM adaptive"}),
        ),
        ("Steps: x, CFG scale: nan, Seed: 2", Infotext(seed=2, others={"Steps": "x", "CFG scale": "nan"})),
        (
            "Steps: 1, Sampler: Euler, Schedule type: Automatic, Seed: 2",
            Infotext(steps=1, sampler="euler", seed=2),
        ),
        ("Steps: 1, Seed: 2", Infotext(prompt="Steps: 1, Seed: 2")),
        ("", Infotext()),
    ],
)
def test_what_has_no_word_of_ours_is_kept(settings: str, expected: Infotext):
    assert parse(settings) == expected


def test_every_sampler_and_schedule_has_a_title_that_leads_back():
    assert set(SAMPLER_TITLES) == set(SAMPLERS)
    assert set(SCHEDULE_TITLES) == set(SCHEDULES)
    for name, title in SAMPLER_TITLES.items():
        assert sampler_named(title) == sampler_named(name) == sampler_named(f"k_{name}") == name
    for name, title in SCHEDULE_TITLES.items():
        assert schedule_named(title) == schedule_named(name) == name


@pytest.mark.parametrize(
    ("title", "name"), [("k_euler_a", "euler_ancestral"), ("k_dpmpp_2s_a", "dpmpp_2s_ancestral"), ("?", None)]
)
def test_aliases_lead_to_samplers(title: str, name: str | None):
    assert sampler_named(title) == name


LINES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")).map(str.strip), max_size=3
)
PROMPTS = LINES.map("\n".join).map(str.strip).filter(lambda text: "Negative prompt:" not in text)
KEYS = st.text(string.ascii_letters, min_size=2, max_size=9).map(lambda key: f"X{key}")
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\"))


@given(
    PROMPTS,
    PROMPTS,
    st.sampled_from(sorted(SAMPLERS)),
    st.none() | st.sampled_from(sorted(SCHEDULES)),
    st.floats(0, 100),
    st.integers(0, 2**64 - 1),
    st.dictionaries(KEYS, VALUES, max_size=3),
)
def test_what_was_written_is_read_back(prompt, negative, sampler, schedule, cfg, seed, others):
    info = Infotext(prompt, negative, 20, sampler, schedule, cfg, seed, others=others)
    assert parse(write(info)) == info


@given(st.text())
def test_any_text_can_be_read(text: str):
    assert isinstance(parse(text), Infotext)
