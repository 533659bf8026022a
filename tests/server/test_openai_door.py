"""OpenAI's own client, unmodified, against our door."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from gesso.errors import ResourceError
from gesso.server.settings import Limits
from gesso.workers.job import Job, State
from gesso.workers.painter import Advanced, Happening
from gesso.workers.table import Listing
from tests.server.serving import Server, client_of, picture, png, serving, settings_in
from tests.workers.fakes import FakePainter

QUICK = {"steps": 2}


@pytest.fixture
def client(served: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="anything", timeout=100) as found:
        yield found


def pictures(answer: openai.types.ImagesResponse) -> list[Image.Image]:
    assert answer.data is not None
    return [picture(base64.b64decode(each.b64_json or "")) for each in answer.data]


SIZES = ("256x256", "512x512", "1024x1024", "1792x1024", "1024x1792", "1536x1024", "1024x1536", "3840x2160")
"""All that its models ever had, and the largest of the newest."""


@pytest.mark.parametrize("size", SIZES)
def test_pictures_have_the_size_that_was_asked_for(client: openai.OpenAI, size: Any) -> None:
    answer = client.images.generate(
        model="dall-e-2", prompt="a red hat", size=size, response_format="b64_json", extra_body=QUICK
    )
    (image,) = pictures(answer)
    assert f"{image.width}x{image.height}" == size
    assert "gesso" in image.info


def test_links_open_without_a_key_and_words_come_back(client: openai.OpenAI, served: Server) -> None:
    answer = client.images.generate(
        model="dall-e-3", prompt="a {red|blue} hat", n=2, extra_body={**QUICK, "seed": 3}
    )
    assert answer.data is not None
    shown = []
    for each in answer.data:
        got = httpx.get(each.url or "", timeout=60)
        assert got.headers["content-type"] == "image/png"
        shown.append(picture(got.content))
    assert shown[0].size == (64, 64)
    assert not np.array_equal(*shown)
    (job,) = served.table.listed(Listing(limit=1))
    assert [each.revised_prompt for each in answer.data] == [each.prompt for each in job.pictures]
    assert job.model == "tiny.safetensors"


def test_what_the_mask_keeps_keeps_its_bytes(client: openai.OpenAI) -> None:
    source = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    mask = Image.new("RGBA", (64, 64), "black")
    mask.paste((0, 0, 0, 0), (40, 0, 64, 64))
    answer = client.images.edit(
        model="gpt-image-1",
        image=("a.png", packed(Image.fromarray(source))),
        mask=("m.png", packed(mask)),
        prompt="a hat",
        n=2,
        extra_body=QUICK,
    )
    for image in pictures(answer):
        found = np.asarray(image.convert("RGB"))
        assert np.array_equal(found[:, :40], source[:, :40])
        assert (found[:, 48:] != source[:, 48:]).any()
    assert answer.size == "64x64"


def test_variations_have_their_pictures_size(client: openai.OpenAI) -> None:
    with pytest.warns(DeprecationWarning):
        answer = client.images.create_variation(
            image=("a.png", png(size=(96, 64))), response_format="b64_json", extra_body=QUICK
        )
    assert [image.size for image in pictures(answer)] == [(96, 64)]


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_stream_ends_with_the_picture(client: openai.OpenAI, kind: Literal["jpeg", "webp"]) -> None:
    stream = client.images.generate(
        model="gpt-image-1",
        prompt="a hat",
        stream=True,
        partial_images=2,
        output_format=kind,
        extra_body=QUICK,
    )
    events = list(stream)
    assert [each.type for each in events[:-1]] == ["image_generation.partial_image"] * (len(events) - 1)
    assert len(events) <= 3
    last = events[-1]
    assert last.type == "image_generation.completed"
    for each in events:
        assert picture(base64.b64decode(each.b64_json)).format == kind.upper()


def test_an_edit_is_streamed_too(client: openai.OpenAI) -> None:
    said = {"prompt": "a hat", "image": ("a.png", png()), "extra_body": QUICK}
    *_, last = client.images.edit(model="gpt-image-1", stream=True, **said)
    assert last.type == "image_edit.completed"
    assert picture(base64.b64decode(last.b64_json)).size == (64, 64)


def test_models_are_listed_with_their_other_names(client: openai.OpenAI) -> None:
    names = {each.id for each in client.models.list()}
    assert {"emoji", "tiny", "dall-e-2", "dall-e-3", "gpt-image-1"} <= names
    assert client.models.retrieve("tiny").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"model": "nothing"}, 404, "model_not_found"),
        ({"size": "7x7"}, 400, "invalid_value"),
        ({"n": 11}, 400, "invalid_value"),
        ({"extra_body": {"colour": "red"}}, 400, "unknown_parameter"),
    ],
)
def test_errors_are_those_that_the_client_knows(
    client: openai.OpenAI, said: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(openai.APIStatusError) as error:
        client.images.generate(prompt="a hat", **said)
    assert (error.value.status_code, error.value.code) == (status, code)
    assert error.value.request_id


RECORDED: dict[str, tuple[str, dict[str, Any]]] = {
    "Open WebUI": (
        "/v1/images/generations",
        {"model": "dall-e-2", "prompt": "a hat", "n": 1, "size": "512x512", "response_format": "b64_json"},
    ),
    "Open WebUI, gpt-image": (
        "/images/generations?api-version=2024-10-21",
        {"model": "gpt-image-1", "prompt": "a hat", "n": 1, "size": "auto"},
    ),
    "LibreChat": (
        "/v1/images/generations",
        {"model": "dall-e-3", "quality": "standard", "style": "vivid", "size": "1024x1024",
         "prompt": "a hat", "n": 1},
    ),
    "LibreChat, gpt-image": (
        "/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "a hat", "n": 1, "background": "auto", "output_format": "png",
         "quality": "auto", "size": "auto"},
    ),
    "SillyTavern": (
        "/v1/images/generations",
        {"prompt": "a hat", "model": "dall-e-3", "size": "1024x1024", "n": 1, "quality": "standard",
         "style": "vivid", "response_format": "b64_json"},
    ),
    "Nextcloud": (
        "/v1/images/generations",
        {"prompt": "a hat", "size": "1024x1024", "n": 1, "model": "dall-e-2"},
    ),
    "LiteLLM": (
        "/images/generations",
        {"model": "gpt-image-1", "prompt": "a hat", "n": 1, "size": "1024x1024"},
    ),
}  # fmt: skip
"""Bodies as these programs' published code writes them."""


@pytest.mark.parametrize("client", RECORDED)
def test_bodies_of_other_clients_give_pictures(served: Server, client: str) -> None:
    path, body = RECORDED[client]
    answer = httpx.post(served.url + path, json=body, timeout=100, headers={"authorization": "Bearer x"})
    assert answer.status_code == 200
    (datum,) = answer.json()["data"]
    found = (
        base64.b64decode(datum["b64_json"])
        if "b64_json" in datum
        else httpx.get(datum["url"], timeout=60).content
    )
    width = body["size"].partition("x")[0]
    assert picture(found).width == (64 if width == "auto" else int(width))


@pytest.mark.parametrize("name", ["image", "image[]"])
def test_edits_come_as_forms_of_text(served: Server, name: str) -> None:
    """As Open WebUI and LibreChat send them: every field is text, the picture under either name."""
    said = {"model": "gpt-image-1", "prompt": "a hat", "n": "1", "size": "64x64", "quality": "auto"}
    answer = httpx.post(
        f"{served.url}/v1/images/edits",
        data=said,
        files=[(name, ("image.png", png(), "image/png"))],
        headers={"authorization": "Bearer x"},
        timeout=100,
    )
    assert answer.status_code == 200
    assert picture(base64.b64decode(answer.json()["data"][0]["b64_json"])).size == (64, 64)


class Failing(FakePainter):
    """Shows one step, then fails."""

    def paint(self, job: Job) -> Iterator[Happening]:
        self.asked.append(job.id)
        yield Advanced(1, lambda: Image.new("RGB", (8, 8)))
        raise ResourceError("it must fit, however: it does not")


def test_what_fails_is_not_painted_again_by_itself(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path), Failing()) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="x")
        with pytest.raises(openai.InternalServerError, match="it must fit"):
            client.images.generate(prompt="a hat")
        with pytest.raises(openai.APIError, match="it must fit"):
            list(client.images.generate(prompt="a hat", model="gpt-image-1", stream=True))
        jobs = server.table.listed(Listing())
        assert [each.state for each in jobs] == [State.FAILED] * 2


def test_a_retried_request_is_one_job(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path), FakePainter()) as server:
        body = {"prompt": "a hat", "response_format": "b64_json"}
        answers = [
            httpx.post(f"{server.url}/v1/images/generations", json=body, headers=headers, timeout=60)
            for headers in ({}, {"x-stainless-retry-count": "1"}, {"x-stainless-retry-count": "2"}, {})
        ]
        assert [each.status_code for each in answers] == [200] * 4
        assert len(server.table.listed(Listing())) == 2


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path, limits=Limits(share=0)))
    answer = client.post("/v1/images/generations", json={"prompt": "a hat"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["retry-after"]


def packed(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
