"""Code maps: words of suppliers guessed by name, decided by the operator, and never the key among them."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ringlet.desk import Desk
from ringlet.errors import NotFound, ValidationFailed
from ringlet.suppliers.port import Named, NotSent, OutcomeUnknown, Refused
from ringlet.supplying import codes, known
from ringlet.supplying.codes import COUNTRY, SERVICE
from tests.fakes.supplier import KEY
from tests.fakes.warehouse import Warehouse
from tests.suppliers_rig import serving
from tests.upstream import NOWHERE, add, offers, take_over


@pytest.fixture
async def warehouse() -> Warehouse:
    """Two cells of country 6 and one that nobody here has a name for."""
    made = Warehouse()
    made.stock("6", "ig", "0.02", 100)
    made.stock("6", "wa", "0.05", 3)
    made.stock("6", "q9q", "0.01", 5)
    return made


@pytest.fixture
async def url(warehouse: Warehouse) -> AsyncIterator[str]:
    async with serving("handler-api", warehouse) as address:
        yield address


async def guessed(kind: str, *names: Named) -> dict[str, str | None]:
    return dict(codes.learn(kind, [], [], names).learned)


async def test_words_are_guessed_by_their_name() -> None:
    """Names, variants and parts of a name; better guesses go first, and a code of ours goes to one word."""
    countries = [Named(word, word) for word in ("england", "usa", "russia", "ivorycoast", "bih", "atlantis")]
    assert await guessed(COUNTRY, *countries, Named("x1", "Côte d'Ivoire")) == {
        "england": "16", "usa": "187", "russia": "0", "ivorycoast": "27", "bih": "108", "atlantis": None, "x1": None,
    }  # fmt: skip
    services = [
        Named(word, word) for word in ("douyin", "tiktok", "instagram", "facebook", "vkontakte", "other")
    ]
    assert await guessed(SERVICE, *services, Named("7", "Google, YouTube, Gmail")) == {
        "douyin": None, "tiktok": "lf", "instagram": "ig", "facebook": "fb", "vkontakte": "vk", "other": "ot",
        "7": "go",
    }  # fmt: skip


def test_canonical_words_are_ours() -> None:
    """A supplier that names nothing uses the codes of the field; a country may still go by its name."""
    learned = codes.learn(COUNTRY, [], ["6", "006", "999", "russia"], []).learned
    assert learned == {"6": "6", "006": None, "999": None, "russia": "0"}
    assert codes.learn(SERVICE, [], ["ig", "imo", "full"], []).learned == {
        "ig": "ig",
        "imo": None,
        "full": None,
    }
    assert codes.learn(COUNTRY, [], ["0"], [Named("0", "0")]).learned == {"0": "0"}


def test_words_that_no_table_can_hold() -> None:
    """Too long, empty, unprintable: neither stored nor sold; a flood of words ends somewhere."""
    assert codes.learn(SERVICE, [], ["", "x" * 65, "a\0b"], []).learned == {}
    flood = [f"word{index}" for index in range(codes.WORDS_MAX + 10)]
    assert len(codes.learn(SERVICE, [], flood, []).learned) == codes.WORDS_MAX


async def test_the_operators_word_stands(desk: Desk, url: str, warehouse: Warehouse) -> None:
    """A decision is never guessed again, takes a code from another word, and empties what it changes."""
    await add(desk, url)
    await take_over(desk)
    mapped = await codes.map_code(desk, "up", SERVICE, "q9q", "ig")
    assert mapped.lost == "ig"
    assert (await offers(desk))[6, "ig", "any"][1] == 0
    await take_over(desk)
    assert (await offers(desk))[6, "ig", "any"] == (Decimal("0.01"), 5)
    assert [word.theirs for word in await codes.unmapped(desk, "up")] == ["ig"]
    await codes.map_code(desk, "up", SERVICE, "wa", None)
    warehouse.stock("6", "new", "1", 1)
    assert (await take_over(desk)).unmapped == 3
    assert (await offers(desk))[6, "wa", "any"][1] == 0
    found = desk.book.named("up")
    assert found is not None
    assert (found.words.services["ig"], "wa" in found.words.services) == ("q9q", False)


@pytest.mark.parametrize(
    ("kind", "theirs", "ours"),
    [("town", "6", "6"), (COUNTRY, "6", "999"), (SERVICE, "ig", "full"), (SERVICE, "never seen", "ig")],
)
async def test_a_mapping_that_cannot_be_is_refused(
    desk: Desk, url: str, kind: str, theirs: str, ours: str
) -> None:
    """Unknown kinds, codes and words are named."""
    await add(desk, url)
    await take_over(desk)
    with pytest.raises((ValidationFailed, NotFound)):
        await codes.map_code(desk, "up", kind, theirs, ours)


async def test_what_a_supplier_raises_is_stored_without_its_key(desk: Desk) -> None:
    """A supplier that repeats our key in its error does not bring it into our tables."""
    await add(desk, NOWHERE)
    terms = (await known.reach(desk, "up")).terms
    for error in (
        NotSent(f"x {KEY}"),
        OutcomeUnknown(f"x {KEY}\n\x1b[31m" + "y" * 500),
        Refused("account", KEY),
    ):  # type: ignore[arg-type]
        text = known.sentence(desk, terms, error)
        assert KEY not in text
        assert text.isprintable()
        assert len(text) <= 300
