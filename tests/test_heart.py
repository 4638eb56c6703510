"""The heart: money, tokens, phones, states. Pure, so they are tested by every value that matters."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet import canon, money, phones, tokens
from ringlet.activations.states import (
    REFUNDED,
    SETTLES,
    TERMINAL,
    TIMES_OUT_TO,
    TRANSITIONS,
    Settlement,
    State,
)
from ringlet.suppliers import simulator


def test_the_reference_price_is_charged_at_six_places() -> None:
    """sell_price 0.1114892 is amount_paid 0.111489."""
    assert money.charge_micros(Decimal("0.1114892")) == 111_489
    assert str(money.to_amount(111_489)) == "0.111489"


@pytest.mark.parametrize(
    ("price", "micros"), [("0.0000005", 0), ("0.0000015", 2), ("0.0000025", 2), ("1", 1_000_000)]
)
def test_rounding_is_half_even(price: str, micros: int) -> None:
    """Half a micro-unit goes to the even neighbour, so that many small sales do not drift."""
    assert money.charge_micros(Decimal(price)) == micros


@given(st.integers(min_value=0, max_value=money.MICROS_MAX))
def test_amounts_travel_there_and_back(micros: int) -> None:
    """No amount changes by being written and read, and none is written in scientific notation."""
    amount = money.to_amount(micros)
    assert money.to_micros(amount) == micros
    assert "E" not in str(amount)


@pytest.mark.parametrize(
    "text", ["0.0000001", "NaN", "Infinity", "1e30", "1e999999", "-1e999999", "1e-999999"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """More than six places, nonsense and astronomic sums never become micro-units."""
    with pytest.raises(ValueError, match="is not an amount"):
        money.to_micros(Decimal(text))


def test_tokens_carry_their_checksum() -> None:
    """A typing error is refused without a look-up."""
    token = tokens.make("rl_live_")
    assert len(token) == len("rl_live_") + 43
    assert tokens.is_well_formed(token)
    assert not tokens.is_well_formed(token[:-1] + ("0" if token[-1] != "0" else "1"))
    assert not tokens.is_well_formed("rl_live_" + "x" * 43)
    assert len({tokens.make("rl_live_") for _ in range(100)}) == 100


@given(st.text(max_size=200))
def test_no_text_breaks_the_token_check(text: str) -> None:
    """What comes in the Authorization header is anybody's text."""
    assert tokens.is_well_formed(text) in {True, False}


@pytest.mark.parametrize(
    ("text", "digits"),
    [("+62 895-4062-03932", "62895406203932"), ("62895406203932", "62895406203932"), ("0895406203932", None),
     ("", None), ("+1", None), ("not a number", None), ("+999999999999", None)],
)  # fmt: skip
def test_phone_numbers_are_international_digits(text: str, digits: str | None) -> None:
    """Numbers are kept as digits with the country code; what cannot be one is refused."""
    assert phones.read(text) == digits


def test_every_open_state_has_an_end() -> None:
    """Every state that is not terminal times out to a state that it may become."""
    for state in State:
        assert (state in TERMINAL) == (state not in TIMES_OUT_TO)
        if state in TIMES_OUT_TO:
            assert TIMES_OUT_TO[state] in TRANSITIONS[state]


def test_every_path_settles_the_hold_exactly_once() -> None:
    """From the first state to any terminal one, money is captured or released once, never both, never not."""

    def walk(state: State, settled: tuple[Settlement, ...]) -> None:
        what = SETTLES.get(state)
        if what in {Settlement.CAPTURE, Settlement.RELEASE}:
            settled = (*settled, what)
        if state in TERMINAL:
            assert len(settled) == 1
            assert (state in REFUNDED) == (settled == (Settlement.RELEASE,))
        for following in TRANSITIONS[state]:
            walk(following, settled)

    walk(State.ORDERING, ())


def test_the_code_tables_are_whole() -> None:
    """205 countries, every service but the rental."""
    assert len(canon.countries()) == 205
    assert canon.countries()[6].name == "Indonesia"
    assert "full" not in canon.services()
    assert canon.services()["wa"].name == "Whatsapp"


@pytest.mark.parametrize("country", sorted(canon.countries()))
def test_the_simulator_has_a_number_for_every_country(country: int) -> None:
    """Test mode sells anything, anywhere, with a number of the right shape."""
    phone = simulator.invent_phone(country)
    assert phone.isdigit()
    assert phone.startswith(canon.countries()[country].prefix)
    assert 7 <= len(phone) <= 15
