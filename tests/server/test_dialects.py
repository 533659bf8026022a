import json

import pytest

from gesso.server.dialects import answer
from gesso.server.refusals import Refused


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_openais_errors_have_all_four_keys_and_a_word_for_code(status: int) -> None:
    for path in ("/v1/images/generations", "/images/edits", "/models"):
        body = json.loads(answer(path, Refused(status, "no", "word", "size")).body)["error"]
        assert set(body) == {"message", "type", "param", "code"}
        assert body["code"] == ("rate_limit_exceeded" if status == 429 else "word")
        assert body["param"] == "size"


def test_other_doors_have_their_own_words() -> None:
    assert json.loads(answer("/sdapi/v1/txt2img", Refused(404, "no")).body)["detail"] == "no"
    assert json.loads(answer("/sdapi/v1/txt2img", Refused(500, "no")).body)["error"] == "RuntimeError"
    assert json.loads(answer("/api/jobs", Refused(400, "no")).body)["error"]["message"] == "no"


@pytest.mark.parametrize(
    ("status", "header"), [(401, "www-authenticate"), (429, "retry-after"), (500, "x-should-retry")]
)
def test_clients_are_told_whether_to_ask_again(status: int, header: str) -> None:
    assert header in answer("/v1/x", Refused(status, "no")).headers
