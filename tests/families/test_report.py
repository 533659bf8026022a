from dataclasses import replace
from pathlib import Path

import pytest

from gesso.families.identify import Identity, identify
from gesso.families.report import Report, report
from tests.files import table
from tests.headers import families

KINDS = families()


def found(label: str, **more: tuple[int, ...]) -> Report:
    return report(identity(label, **more))


def identity(label: str, **more: tuple[int, ...]) -> Identity:
    return identify(table(KINDS[label][0] | more))


def test_parts_are_counted() -> None:
    parts = found("sd1").parts
    assert set(parts) == {"unet", "vae", "text"}
    assert parts["unet"].parameters == 859_520_964
    assert parts["vae"].parameters == 83_653_863
    assert parts["text"].parameters == 123_060_480
    assert parts["unet"].dtypes == {"F16": 686}


@pytest.mark.parametrize("label", KINDS)
def test_every_other_family_is_rejected_with_a_reason(label: str) -> None:
    told = found(label)
    assert told.family not in told.rejected
    assert len(told.rejected) == 8
    assert all(told.rejected.values())


def test_what_is_wrong_is_said() -> None:
    assert found("sd1").problems == []
    assert found("sd1 no vae").problems == ["the file carries no vae"]
    strange = found("sd1", mystery=(1,))
    assert strange.problems == ["1 tensors belong to no part, such as mystery"]
    lotus = found("lotus")
    assert not lotus.paints
    assert lotus.problems[0].startswith("gesso cannot paint with it: it predicts depth")


def test_decisions_name_their_rule() -> None:
    decisions = found("sdxl v, zero terminal snr").decisions
    assert decisions["prediction"] == "v (by marker tensors: v_pred is there)"
    assert decisions["noise levels"] == "zero terminal SNR (by marker tensors: ztsnr is there)"
    assert decisions["attention heads"] == "one for every 64 channels (by family)"
    assert found("sd1").decisions["attention heads"] == "8 (by family)"
    assert decisions["defaults"] == "1024x1024, 30 steps, dpmpp_2m, karras, cfg 6 (by family)"


def test_a_model_of_few_steps_is_told_by_its_name() -> None:
    named = replace(table(KINDS["sdxl"][0]), path=Path("sdxl_lightning_4step.safetensors"))
    decisions = report(identify(named)).decisions
    assert decisions["paints in few steps"].startswith("Lightning (by name; ByteDance")
    assert decisions["defaults"] == "1024x1024, 4 steps, euler, sgm_uniform, cfg 1 (by name)"
    assert "paints in few steps" not in found("sd1").decisions


def test_the_text_says_what_the_data_says() -> None:
    told = replace_size(found("sd1 inpainting"), 4_270_000_000)
    text = told.text()
    first, second, *_ = text.splitlines()
    assert first.endswith(": Stable Diffusion 1.x, inpainting (860M)")
    assert second == "  4.27 GB, safetensors"
    assert "0.5 MB" in replace_size(told, 500_000).text()
    for line in (*told.evidence, *told.rejected.values(), *told.decisions.values(), *told.ignored):
        assert line in text
    assert "wrong:" not in text


def replace_size(told: Report, size: int) -> Report:
    return told.model_copy(update={"bytes": size})


def test_notes_and_metadata_are_kept_short() -> None:
    plain = identity("sd1")
    header = replace(plain.checkpoint.header, metadata={"long": "x" * 999})
    told = report(replace(plain, checkpoint=replace(plain.checkpoint, header=header), notes=("repaired",)))
    assert len(told.metadata["long"]) == 200
    assert "noted:\n  repaired" in told.text()


def test_a_report_survives_json() -> None:
    told = found("sdxl")
    assert Report.model_validate_json(told.model_dump_json()) == told
