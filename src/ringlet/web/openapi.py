"""OpenAPI 3.1 of everything public, made from the handlers and the types of the bodies."""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi import OpenAPIConfig

from ringlet import __version__

CONFIG = OpenAPIConfig(title="Ringlet", version=__version__, path="/_openapi")


@get("/openapi.json", include_in_schema=False)
async def get_openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(
        msgspec.json.encode(request.app.openapi_schema.to_schema()), media_type="application/json"
    )
