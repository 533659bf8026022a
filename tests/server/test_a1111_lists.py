from pathlib import Path

from tests.models import save_model
from tests.server.serving import client_of, settings_in


def test_every_list_is_there(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    save_model(settings.places.library / "tiny.safetensors", "sd1")
    (settings.places.library / "styles.csv").write_text(
        "name,prompt,negative_prompt\nbig,a big {prompt},small\n"
    )
    client = client_of(settings)

    def told(path: str) -> object:
        return client.get(f"/sdapi/v1/{path}").raise_for_status().json()

    assert [each["title"] for each in told("sd-models")] == ["emoji", "tiny.safetensors"]
    assert "Euler a" in [each["name"] for each in told("samplers")]
    assert "karras" in [each["name"] for each in told("schedulers")]
    assert "ink" in [each["name"] for each in told("loras")]
    assert told("prompt-styles") == [{"name": "big", "prompt": "a big {prompt}", "negative_prompt": "small"}]
    for path in ("upscalers", "embeddings", "scripts", "memory", "cmd-flags"):
        assert told(path)
    for path in ("sd-vae", "face-restorers", "script-info", "extensions", "hypernetworks"):
        assert told(path) == []
    assert client.post("/sdapi/v1/refresh-checkpoints").json() is None
    assert client.get("/controlnet/model_list").json() == {"model_list": ["None", "canny"]}
    assert "canny" in client.get("/controlnet/module_list").json()["module_list"]
    assert client.get("/controlnet/version").json() == {"version": 3}
