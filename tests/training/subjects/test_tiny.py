"""A tiny decoder is trained for a model, and shows its latents."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.generation.result import read_record
from gesso.model import load
from gesso.networks.tiny_autoencoder import TinyDecoder
from gesso.training.job import Written
from gesso.training.recipe import SubjectRules
from gesso.training.subjects.base import Asked, Saving
from gesso.training.subjects.tiny import Tiny
from tests.training import made

RULES = SubjectRules(kind="tiny", width=16)


def test_the_file_has_the_published_names_and_shows_what_was_learnt(
    files: dict[str, Path], tmp_path: Path
) -> None:
    model, path = made.opened_model(files["sd1"]), tmp_path / "tiny.safetensors"
    subject = Tiny(model, RULES, torch.Generator().manual_seed(1))
    weights = {name: weight.detach() for name, weight in subject.module.named_parameters()}
    subject.write(path, weights, Saving(dtype=torch.float32))
    assert {name: tuple(each.shape) for name, each in load_file(path).items()} == tiny_decoder_shapes(16)
    latents = torch.randn(1, 4, 4, 6, generator=torch.Generator().manual_seed(2))
    for loaded in (load(files["sd1"], vae=path, device="cpu").decoder, _preview(files["sd1"], path)):
        assert isinstance(loaded, TinyDecoder)
        with torch.no_grad():
            shown = loaded.float().decode(model.latents(latents))
            torch.testing.assert_close(subject.decode(latents), shown, rtol=0.02, atol=0.02)
    assert subject.additions(Asked(latents, latents, latents, None, None)) is None
    assert subject.use(path).vae == path


def _preview(model: Path, path: Path) -> torch.nn.Module:
    return load(model, previews=path, device="cpu", dtype="float32").networks["preview"]


def test_a_run_moves_it_and_shows_pictures_by_it(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    fields = {"subject": {"kind": "tiny", "width": 16}, "previews": {"prompts": ["a thing"]}}
    asked = made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", run={"steps": 2}, **fields)
    (written,) = [event for event in made.carried_out(asked) if isinstance(event, Written)]
    begun = Tiny(made.opened_model(files["sd1"]), RULES, torch.Generator().manual_seed(asked.run.seed))
    moved = load_file(written.file)
    assert any(
        not torch.allclose(moved[name].float(), weight, atol=1e-3) for name, weight in _own(begun).items()
    )
    assert read_record(written.previews[0])["model"]["vae"] == written.file.as_posix()


def _own(subject: Tiny) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in subject.decoder.named_parameters()}
