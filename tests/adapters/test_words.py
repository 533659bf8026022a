"""New words: every file, every family, and nothing left behind."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gesso.adapters.site import Target
from gesso.adapters.words import open_words
from gesso.conditioning.dialects import words as parse
from gesso.conditioning.encode import Tower, encode
from gesso.conditioning.tokenizer import Tokenizer
from gesso.conditioning.tokens import Windowing, windows
from gesso.errors import AdapterError, DoesNotFit
from gesso.families.blueprint import CheckpointPlan, checkpoint_shapes
from gesso.families.identify import identify
from gesso.generation.generate import paint
from gesso.model import Model
from gesso.request import EmbeddingUse, Request
from tests.adapters.made import same, state
from tests.files import table
from tests.headers import SD1, SD2, SDXL, SDXL_REFINER, write_header

DRAW = torch.Generator().manual_seed(8)


def rows(count: int = 2, width: int = 64) -> Tensor:
    return torch.randn(count, width, generator=DRAW) * 0.02


def write(path: Path, content: dict[str, Tensor]) -> Path:
    save_file(content, path)
    return path


def asking(*files: Path, prompt: str = "a photo of my-cat, red") -> Request:
    return Request(
        prompt=prompt, seed=1, steps=2, embeddings=tuple(EmbeddingUse(file=each) for each in files)
    )


def picture(model: Model, request: Request) -> bytes:
    return paint(model, request).images[0].tobytes()


def test_every_container_says_the_same(models: dict[str, Model], tmp_path: Path) -> None:
    model, vectors = models["sd1"], rows()
    for folder in ("a", "b", "c", "d", "e"):
        (tmp_path / folder).mkdir()
    webui = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "cat", "step": 100}
    torch.save(webui, tmp_path / "a" / "my-cat.pt")
    torch.save({"<my-cat>": vectors}, tmp_path / "b" / "my-cat.bin")
    files = [tmp_path / "a" / "my-cat.pt", tmp_path / "b" / "my-cat.bin"]
    files.append(write(tmp_path / "c" / "my-cat.safetensors", {"emb_params": vectors}))
    kept = torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)})
    torch.save({"string_to_token": {"*": 265}, "string_to_param": dict(kept)}, tmp_path / "d" / "my-cat.pt")
    files.append(tmp_path / "d" / "my-cat.pt")
    plain = picture(model, asking())
    pictures = {picture(model, asking(each)) for each in files}
    assert len(pictures) == 1
    assert plain not in pictures


def test_a_word_that_is_there_already_changes_nothing(models: dict[str, Model], tmp_path: Path) -> None:
    """The vectors of known words under a new name give the picture of those words, to the bit."""
    model = models["sdxl"]
    ids = torch.tensor(Tokenizer(1024)("red apple"))
    first = model.networks["text"].get_parameter("text_model.embeddings.token_embedding.weight")[ids]
    second = model.networks["text_2"].get_parameter("token_embedding.weight")[ids]
    path = write(tmp_path / "thing.safetensors", {"clip_l": first.clone(), "clip_g": second.clone()})
    known = picture(model, asking(prompt="a (red apple:1.2) here"))
    for prompt in ("a (thing:1.2) here", "a (THING:1.2) here", "a (embedding:thing:1.2) here"):
        assert picture(model, asking(path, prompt=prompt)) == known
    assert picture(model, asking(path, prompt="something")) == picture(model, asking(prompt="something"))


def test_several_words_and_nothing_left_behind(models: dict[str, Model], tmp_path: Path) -> None:
    model = models["sd2"]
    before = state(model)
    tables = [
        each.weight for each in model.networks["text"].modules() if isinstance(each, torch.nn.Embedding)
    ]
    a, b = (write(tmp_path / f"{name}.safetensors", {"emb_params": rows()}) for name in ("xa", "xb"))
    asked = [asking(a, b, prompt=prompt) for prompt in ("xa xb", "xb xa", "xa", "xb")]
    assert len({picture(model, each) for each in asked}) == 4
    assert picture(model, asking(a, b, prompt="xa xb")) == picture(model, asking(b, a, prompt="xa xb"))
    assert model.words == {}
    assert same(state(model), before)
    assert all(
        x is y.weight
        for x, y in zip(
            tables,
            [each for each in model.networks["text"].modules() if isinstance(each, torch.nn.Embedding)],
            strict=True,
        )
    )
    target = Target.of(model)
    with pytest.raises(KeyError), open_words(a, target).attached(model):
        assert set(model.words["text"]) == {"xa"}
        raise KeyError
    assert model.words == {}
    assert not any(
        each._forward_pre_hooks or each._forward_hooks for each in model.networks["text"].modules()
    )


def test_the_request_tells_which_file_it_was(models: dict[str, Model], tmp_path: Path) -> None:
    path = write(tmp_path / "my-cat.safetensors", {"emb_params": rows()})
    result = paint(models["sd1"], asking(path))
    assert result.requests[0].embeddings[0].sha256
    write(path, {"emb_params": rows()})
    with pytest.raises(AdapterError, match="hash differs"):
        paint(models["sd1"], result.requests[0])


def test_vectors_count_as_tokens_and_stay_together() -> None:
    words = {"thing": tuple(range(49408, 49408 + 10))}
    windowing = Windowing(Tokenizer(words=words))
    short = windows(parse("a thing"), windowing)
    assert short[0].ids[1:13] == (320, *words["thing"], 49407)
    first, second = windows(parse(f"{'a ' * 70}thing b"), windowing)
    assert first.ids[71:77] == (49407,) * 6
    assert second.ids[1:12] == (*words["thing"], 321)
    assert windows(parse(f"{'a ' * 65}thing"), windowing)[0].ids[66:76] == words["thing"]


def test_words_are_found_as_words() -> None:
    tokenizer, plain = Tokenizer(words={"cat": (50000,), "cat-2": (50001,)}), Tokenizer()
    assert tokenizer("cat") == (50000,)
    assert tokenizer("Cat-2, cat") == (50001, *plain(","), 50000)
    for text in ("category", "cat-3", "bobcat", "dog"):
        assert tokenizer(text) == plain(text)


def test_the_end_of_text_is_still_found(models: dict[str, Model], tmp_path: Path) -> None:
    """New ids are higher than the end mark's, which pooling looks for."""
    model = models["sdxl"]
    path = write(tmp_path / "w.safetensors", {"clip_l": rows(), "clip_g": rows()})
    part = model.identity.text[1]
    network = model.networks[part.name]
    with open_words(path, Target.of(model)).attached(model), torch.no_grad():
        tower = Tower(network, layer=-2, normed=False, pad=0, pooled=True, words=model.words[part.name])
        (read,) = encode([parse("w")], [tower])
        vectors = dict(open_words(path, Target.of(model)).file.tensors(["clip_g"]))["clip_g"]
    embedding = network.get_submodule("token_embedding")
    before = embedding.weight[5:7].clone()
    with torch.no_grad():
        embedding.weight[5:7] = vectors
        tokens = torch.tensor([[1022, 5, 6, 1023, *[0] * 73]])
        assert read.pooled is not None
        torch.testing.assert_close(read.pooled, network(tokens).pooled)
        embedding.weight[5:7] = before


PLANS: dict[str, CheckpointPlan] = {"sd1": SD1, "sd2": SD2, "sdxl": SDXL, "sdxl-refiner": SDXL_REFINER}
FITTING = {"sd1": ("sd1",), "sd2": ("sd2",), "sdxl": ("sdxl", "sdxl-refiner")}


@pytest.mark.parametrize("made", FITTING)
@pytest.mark.parametrize("put_on", PLANS)
def test_a_word_of_another_family_is_refused_with_the_reason(made: str, put_on: str, tmp_path: Path) -> None:
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "sd1": {"emb_params": (4, 768)},
        "sd2": {"emb_params": (1024,)},
        "sdxl": {"clip_l": (4, 768), "clip_g": (4, 1280)},
    }
    path = write_header(tmp_path / "cat.safetensors", shapes[made])
    target = Target.of_file(identify(table(checkpoint_shapes(PLANS[put_on]))))
    if put_on in FITTING[made]:
        words = open_words(path, target)
        assert (words.word, words.vectors, words.families) == ("cat", 1 if made == "sd2" else 4, {made})
        return
    with pytest.raises(DoesNotFit, match=f"made for {made}, must .* of {put_on}, .* wide, however: it has "):
        open_words(path, target)


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"a": (2, 64), "b": (2, 64)}, "2 tensors"),
        ({"a": (2, 2, 64)}, "of size"),
        ({"a": (76, 64)}, "1 to 75 vectors"),
    ],
)
def test_what_is_no_word_is_refused(
    shapes: dict[str, tuple[int, ...]], says: str, models: dict[str, Model], tmp_path: Path
) -> None:
    path = write_header(tmp_path / "cat.safetensors", shapes)
    with pytest.raises(AdapterError, match=says):
        open_words(path, Target.of(models["sd1"]))
