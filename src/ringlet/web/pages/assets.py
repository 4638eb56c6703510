"""Styles, script and icons, built by `front/build.mjs`: named by their content, so a browser asks for each once."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from ringlet.errors import NotFound, StartupError

FOREVER = "public, max-age=31536000, immutable"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@cache
def names() -> dict[str, str]:
    """main.css → main.0123456789ab.css. Raises StartupError when nothing was built."""
    path = files("ringlet") / "static" / "names.json"
    if not path.is_file():
        raise StartupError("the pages' styles are not built: run `make assets`")
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def url(name: str) -> str:
    """The address of an asset."""
    return f"/static/{names()[name]}"


@cache
def _content(name: str, suffix: str) -> bytes:
    return (files("ringlet") / "static" / (name + suffix)).read_bytes()


@get("/static/{name:str}", include_in_schema=False)
async def get_static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """One of our own files, never another one of the disk. Refuses: NotFound."""
    if name not in names().values():
        raise NotFound
    accepted = request.headers.get("accept-encoding", "")
    suffix, encoding = next(
        ((suffix, name) for suffix, name in ((".br", "br"), (".gz", "gzip")) if name in accepted), ("", "")
    )
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(_content(name, suffix), media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
