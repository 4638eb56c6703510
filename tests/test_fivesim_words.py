"""Words of countries and products, orders of one lease, and prices, without a server."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ringlet import canon
from ringlet.activations.states import State
from ringlet.activations.store import Activation
from ringlet.suppliers.reading import is_word
from ringlet.web.fivesim import orders, words

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_every_country_has_a_word_of_its_own() -> None:
    """Small letters and digits, unique, and read back as the country."""
    found = {words.country_word(country): country for country in canon.countries()}
    assert len(found) == len(canon.countries())
    for word, country in found.items():
        assert words.read_country(word) == country
        assert word.isascii()
        assert word.isalnum()
        assert word == word.lower()
        assert words.read_country(str(country)) == country


def test_every_product_has_a_word_of_its_own() -> None:
    """Small letters and digits, unique, and read back as the service."""
    found = {words.product_word(service): service for service in canon.services()}
    assert len(found) == len(canon.services())
    for word, service in found.items():
        assert words.read_product(word) == service
        assert word.isascii()
        assert word.isalnum()
        assert word == word.lower()
        assert is_word(word)
        assert word != words.ANY


def test_codes_are_read_as_codes_unless_a_program_means_another_product() -> None:
    """A code that is also the name of another service is read as the name: this protocol's programs know names."""
    shadowed = {code for code in canon.services() if words.read_product(code) != code}
    assert len(shadowed) < 20
    assert "aol" in shadowed
    for code in shadowed:
        assert words.product_word(str(words.read_product(code))) == code
    assert words.read_product("aol") == "pm"
    assert {words.read_product(code) for code in ("ig", "wa", "tg", "go")} == {"ig", "wa", "tg", "go"}


@pytest.mark.parametrize(
    ("text", "country"),
    [("usa", 187), ("US", 187), ("england", 16), ("United Kingdom", 16), ("russia", 0), ("0", 0), ("id", 6),
     ("Côte d'Ivoire", 27), ("bih", 108), ("hongkong", 14), ("usavirtual", 12), ("czech", 63), ("vietnam", 10)],
)  # fmt: skip
def test_countries_go_by_other_names_too(text: str, country: int) -> None:
    """The names of suppliers, ISO codes and our numbers."""
    assert words.read_country(text) == country


@pytest.mark.parametrize(
    ("text", "service"),
    [("instagram", "ig"), ("threads", "ig"), ("Instagram+Threads", "ig"), ("google", "go"), ("youtube", "go"),
     ("vkontakte", "vk"), ("other", "ot"), ("line", "me"), ("hotmail", "mm"), ("tiktok", "lf"), ("1688", "hw")],
)  # fmt: skip
def test_products_go_by_other_names_too(text: str, service: str) -> None:
    """The parts of a name and the names of suppliers."""
    assert words.read_product(text) == service


@pytest.mark.parametrize("text", ["", "full", "nosuchthing", "../..", "\0", "9" * 5000, "ß" * 5000])
def test_nonsense_is_no_word(text: str) -> None:
    """Whatever a program sends, it is understood or it is not."""
    assert words.read_product(text) is None
    assert words.read_country(text) is None


def row(
    number: int, state: State, *, after: int | None = None, made_s: float = 0, ends_s: float = 1200
) -> Activation:
    return Activation(
        id=number, public_id=number, wallet_id=1, source_id=1, offer_id=1, number_id=1, country=6, service="ig",
        operator="telkomsel", phone="628", state=state, amount_micros=111_489, base_price=Decimal("0.03"),
        code=None, reference=None, resent_from=after, number_used=False,
        created_at=NOW + timedelta(seconds=made_s), expires_at=NOW + timedelta(seconds=ends_s),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([State.ORDERING], "PENDING"),
        ([State.WAITING], "PENDING"),
        ([State.RECEIVED], "RECEIVED"),
        ([State.FINISHED], "FINISHED"),
        ([State.CANCELLED], "CANCELED"),
        ([State.FAILED], "CANCELED"),
        ([State.EXPIRED], "TIMEOUT"),
        ([State.CANCELLED, State.WAITING], "PENDING"),
        ([State.CANCELLED, State.EXPIRED], "TIMEOUT"),
        ([State.FINISHED, State.WAITING], "RECEIVED"),
        ([State.FINISHED, State.CANCELLED], "FINISHED"),
        ([State.FINISHED, State.EXPIRED], "FINISHED"),
    ],
)
def test_every_state_has_a_status(states: Sequence[State], status: str) -> None:
    """Where the last activation of a lease stands, and whether a code has come to any."""
    life = orders.Life([row(number, state) for number, state in enumerate(states)], [])
    assert orders.spell(life).status == status


def test_an_order_is_one_lease() -> None:
    """What followed within the lease is the same order; a number that was leased again is another."""
    chain = [
        row(1, State.FINISHED),
        row(2, State.FINISHED, after=1, made_s=60, ends_s=1200.0000009),
        row(3, State.WAITING, after=2, made_s=90, ends_s=1290),
        row(4, State.WAITING, after=3, made_s=95, ends_s=1290),
    ]
    assert [each.id for each in orders.one_lease(chain)] == [1, 2]
    assert [each.id for each in orders.one_lease(chain[2:])] == [3, 4]
