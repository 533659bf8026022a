import asyncio
import base64
import json
from typing import Any

import pytest
from fastapi import Request as HttpRequest

from gesso.server.openai_forms import Edit, Generation, received, validated
from gesso.server.refusals import Refused
from tests.server.serving import png


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({}, "missing_required_parameter", "prompt"),
        ({"prompt": "x", "colour": "red"}, "unknown_parameter", "colour"),
        ({"prompt": "x", "size": "512"}, "invalid_value", "size"),
        ({"prompt": "x", "size": "99999x10"}, "invalid_value", "size"),
        ({"prompt": "x", "size": "4097x16"}, "invalid_value", "size"),
        ({"prompt": "x", "size": "16x15"}, "invalid_value", "size"),
        ({"prompt": "x", "n": 0}, "invalid_value", "n"),
        ({"prompt": "x", "n": 11}, "invalid_value", "n"),
        ({"prompt": "x", "n": "many"}, "invalid_value", "n"),
        ({"prompt": "x", "background": "transparent"}, "invalid_value", "background"),
        ({"prompt": "x" * 32_001}, "invalid_value", "prompt"),
        ({"prompt": {"a": 1}}, "invalid_value", "prompt"),
        ({"prompt": "x", "prompt_upsampling": True}, "invalid_value", "prompt_upsampling"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field_to_blame(
    fields: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(Refused) as refusal:
        validated(Generation, fields)
    assert (refusal.value.status, refusal.value.code, refusal.value.param) == (400, code, param)


def test_nothing_is_the_same_as_null() -> None:
    assert validated(Generation, {"prompt": "x", "n": None, "size": None}) == validated(
        Generation, {"prompt": "x"}
    )
    assert validated(Edit, {"prompt": "x", "n": "2", "size": "32x16"}).wanted == (32, 16)
    assert validated(Generation, {"prompt": "x"}).wanted is None


def posted(body: bytes, kind: str = "application/json") -> HttpRequest:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(b"content-type", kind.encode())],
        "query_string": b"",
    }
    return HttpRequest(scope, receive)


def test_pictures_in_json_are_data_addresses() -> None:
    address = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    body = {"prompt": "x", "images": [{"image_url": address}], "mask": {"image_url": address}}
    found = asyncio.run(received(posted(json.dumps(body).encode())))
    assert (found.fields, found.images, found.mask) == ({"prompt": "x"}, [png()], png())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"images": 3}',
        b'{"images": [{"image_url": "http://127.0.0.1/x.png"}]}',
        b'{"mask": {"file_id": "x"}}',
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        asyncio.run(received(posted(body)))
