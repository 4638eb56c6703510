"""What goes out compressed, to whom, and what its length could tell."""

import gzip

import brotli
import httpx2
import pytest

from ringlet.desk import Desk
from tests.account_rig import Surfer, surfer

OWN = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def ann(desk: Desk) -> Surfer:
    found = surfer(desk)
    await found.sign_up(desk)
    return found


async def asked(who: Surfer, path: str, headers: dict[str, str]) -> tuple[httpx2.Response, bytes]:
    """The answer, and its body as it came over the wire."""
    cookies = "; ".join(f"{name}={each.value}" for name, each in who.cookies.items())
    headers = {"accept": "text/html", "cookie": cookies, **headers}
    async with who.web.stream("GET", path, headers=headers) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    return answer, raw


@pytest.mark.parametrize(("accepted", "how"), [
    ("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"),
    ("identity", None), ("br;q=0", None), ("", None), ("zstd, brr", None),
])  # fmt: skip
async def test_a_page_in_the_encoding_that_its_reader_takes(
    ann: Surfer, accepted: str, how: str | None
) -> None:
    """The same page in each."""
    answer, raw = await asked(ann, "/", {**OWN, "accept-encoding": accepted})
    assert answer.headers.get("content-encoding") == how
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(raw)
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[how]
    assert b"</html>" in unpack(raw)


@pytest.mark.parametrize("site", ["cross-site", "same-site", None, "", "SAME-ORIGIN"])
async def test_who_was_made_to_ask_gets_no_page_whose_length_tells(ann: Surfer, site: str | None) -> None:
    """Another site's link to a page that knows its reader: as long as it is, whatever is repeated in it."""
    came_from = {} if site is None else {"sec-fetch-site": site}
    for path in ("/", "/history?q=123", "/docs/services?q=a", "/there-is-no-such-page"):
        answer, raw = await asked(ann, path, {**came_from, "accept-encoding": "br"})
        assert "content-encoding" not in answer.headers, path
        assert b"</html>" in raw


async def test_a_stranger_who_comes_by_a_link_gets_it_small(desk: Desk) -> None:
    """The first page that anybody sees."""
    stranger = surfer(desk)
    answer, raw = await asked(stranger, "/sign-up", {"sec-fetch-site": "cross-site", "accept-encoding": "br"})
    assert answer.headers["content-encoding"] == "br"
    assert len(raw) < len(brotli.decompress(raw)) / 2


async def test_a_token_looks_new_every_time_and_is_the_same(ann: Surfer) -> None:
    """Each of them is taken, as often as it is sent, whichever answer it stood in."""
    tokens = []
    for _ in range(5):
        await ann.get("/profile")
        tokens.append(ann.token())
    assert len(set(tokens)) == 5
    for token in [*tokens, *tokens]:
        assert (await ann.post("/theme", token=token, theme="dark")).status_code == 303


@pytest.mark.parametrize(
    "token", ["", "A", "AAAA", "A" * 43, "A" * 44, "A" * 2_000, "é" * 43, "%00" * 14, "=" * 43, "-_" * 21]
)
async def test_what_is_no_token(ann: Surfer, token: str) -> None:
    """Refused, and never an error of ours."""
    await ann.get("/profile")
    assert (await ann.post("/theme", token=token, theme="dark")).status_code == 403


async def test_half_of_one_is_none(ann: Surfer) -> None:
    """Nor is one with a bit turned, in the mask or behind it."""
    await ann.get("/profile")
    token = ann.token()
    turned = [token[:at] + ("B" if token[at] == "A" else "A") + token[at + 1 :] for at in (0, 5, 21, 30, 40)]
    for each in [token[:22], token[22:], token + token, *turned]:
        assert (await ann.post("/theme", token=each, theme="dark")).status_code == 403, each
