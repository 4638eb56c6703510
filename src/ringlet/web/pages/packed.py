"""Pages compressed on their way, where nobody can learn from their length what stands in them.

Whoever watches the wire and can make a browser ask for pages that repeat what he chooses guesses a secret of those
pages byte by byte, since a right guess compresses better (the attack called BREACH). So a page that knows its reader
goes out compressed only when he asked for it himself, from a page of ours or from the address bar: browsers say so in
`Sec-Fetch-Site`, which no page can forge. And what a stranger would want most, a form's token, is masked anew in every
answer (`visit.py`), for those who put a compressing proxy in front of us.
"""

from typing import Any

from litestar import Request

from ringlet.web import documents

OWN_WISH = frozenset({"same-origin", "none"})


def encoding(request: Request[Any, Any, Any], *, knows_its_reader: bool) -> str:
    """How an answer to this request may be compressed: br, gzip, or not at all."""
    if knows_its_reader and request.headers.get("sec-fetch-site", "") not in OWN_WISH:
        return ""
    return documents.best_encoding(request.headers.get("accept-encoding", ""), ("br", "gzip")) or ""


def packed(text: str, how: str) -> tuple[bytes, dict[str, str]]:
    """The body as it goes out, with the headers that say so."""
    body = text.encode()
    if not how or len(body) < documents.SMALL:
        return body, {"Vary": "Accept-Encoding"}
    return documents.COMPRESS[how](body), {"Vary": "Accept-Encoding", "Content-Encoding": how}
