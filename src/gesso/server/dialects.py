"""How each door words a refusal."""

from collections.abc import Callable

from starlette.responses import JSONResponse

from gesso.server.refusals import Refused

__all__ = ["answer"]


def answer(path: str, refusal: Refused) -> JSONResponse:
    """A refusal in the form that callers of this path expect."""
    shape = next((shape for prefix, shape in _SHAPES if path.startswith(prefix)), _own)
    return shape(refusal)


def _own(refusal: Refused) -> JSONResponse:
    body = {"code": refusal.code, "message": refusal.message, "param": refusal.param}
    return JSONResponse({"error": body}, refusal.status, _headers(refusal))


def _openai(refusal: Refused) -> JSONResponse:
    """Source: OpenAI's API specification, schema Error: all four keys are there, code is a string or null."""
    kinds = {429: "requests", 500: "server_error", 503: "server_error"}
    body = {
        "message": refusal.message,
        "type": kinds.get(refusal.status, "invalid_request_error"),
        "param": refusal.param,
        "code": "rate_limit_exceeded" if refusal.status == 429 else refusal.code,
    }
    return JSONResponse({"error": body}, refusal.status, _headers(refusal))


def _a1111(refusal: Refused) -> JSONResponse:
    """Source: AUTOMATIC1111/stable-diffusion-webui, modules/api/api.py, `handle_exception`."""
    kind = "HTTPException" if refusal.status < 500 else "RuntimeError"
    body = {"error": kind, "detail": refusal.message, "body": "", "errors": refusal.message}
    return JSONResponse(body, refusal.status, _headers(refusal))


def _headers(refusal: Refused) -> dict[str, str]:
    match refusal.status:
        case 401:
            return {"www-authenticate": 'Basic realm="gesso"'}
        case 429:
            return {"retry-after": "5"}
        case 500:
            # painting again what could not be painted helps nobody
            return {"x-should-retry": "false"}
        case _:
            return {}


_SHAPES: tuple[tuple[str, Callable[[Refused], JSONResponse]], ...] = (
    ("/v1/", _openai),
    ("/images/", _openai),
    ("/models", _openai),
    ("/sdapi/", _a1111),
    ("/controlnet/", _a1111),
)
