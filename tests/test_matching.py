"""What matching promises: a message goes to the activation whose service it names, else to the oldest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet import canon
from ringlet.activations.matching import choose, names_service


@pytest.mark.parametrize(
    ("sender", "text", "waiting", "index"),
    [
        ("12345", "Your WhatsApp code is 123-456", ["tg", "wa"], 1),
        ("TELEGRAM", "12345", ["wa", "tg"], 1),
        ("AX-SWIGGY", "1234 is the OTP", ["tg", "jx"], 1),
        ("AMZN", "1234", ["tg", "am"], 1),
        ("12345", "G-123456 est votre code", ["tg", "go"], 1),
        ("12345", "FB-12345 is your code", ["tg", "fb"], 1),
        ("12345", "Код для ВКонтакте 1234", ["tg", "vk"], 1),
        ("12345", "رمز واتساب 1234", ["tg", "wa"], 1),
        ("12345", "LINEの認証番号「2947」", ["tg", "me"], 1),
        ("12345", "【滴滴出行】9163", ["tg", "xk"], 1),
        ("12345", "Vahvistuskoodi Boltiin 1234", ["tg", "tx"], 1),
        ("12345", "Your PROTON MAIL code 1234", ["tg", "dp"], 1),
        ("12345", "1234\n@discord.com #1234", ["tg", "ds"], 1),
    ],
)
def test_named_service(sender, text, waiting, index):
    """The activation whose service the sender or the text names gets the message."""
    assert choose(sender, text, waiting) == index


def test_sender_before_text():
    """A sender is believed before the text, and the text before its links."""
    assert choose("Uber", "Your Google ride code 1234", ["go", "ub"]) == 1
    assert choose("12345", "Your Uber code 1234 https://play.google.com/store", ["go", "ub"]) == 1


def test_most_specific_name():
    """Of two names at one place the longer wins, then the one that is the service's first name."""
    assert choose("12345", "Your Google Voice code is 123456", ["go", "gf"]) == 1
    assert choose("12345", "Your Uber code is 1234", ["ya", "ub"]) == 1


def test_first_named_wins():
    """A text that names two services is from the one it names first."""
    assert choose("12345", "WhatsApp: enter 1234 to link Facebook", ["fb", "wa"]) == 1


def test_oldest_otherwise():
    """A message that names nobody goes to the oldest; one that names two alike goes to the older of them."""
    assert choose("12345", "Your code is 1234", ["tg", "wa"]) == 0
    assert choose("12345", "Your code is 1234", ["ot"]) == 0
    assert choose("12345", "WhatsApp 1234", ["tg", "wa", "wa"]) == 1
    assert choose("12345", "code 1234", ["no such service"]) == 0


def test_nobody_waits():
    """With nobody waiting there is no index."""
    assert choose("WhatsApp", "code 1234", []) is None


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("Click the line below: 1234", "me"),
        ("a strong signal 1234", "bw"),
        ("правка 1234", "vk"),
        ("1688", "hw"),
    ],
)
def test_everyday_words_name_nobody(text, service):
    """Everyday words, parts of words and codes are not taken for the name of a service."""
    assert not names_service("12345", text, service)


def test_any_other_is_never_named():
    """The catalogue's "any other" has no name that a message could say."""
    assert not names_service("Any other", "Any other", "ot")


def test_every_service_can_be_named_by_its_sender():
    """Every service of the catalogue is named by a sender with its name, but for the nameless ones."""
    unnamed = [s.name for s in canon.services().values() if not names_service(s.name, "", s.code)]
    assert unnamed == ["Any other", "Casino/bet/gambling", "Bookmakers"]


@given(
    st.text(alphabet=st.characters(exclude_categories=())),
    st.text(alphabet=st.characters(exclude_categories=())),
)
def test_never_raises(sender, text):
    """Any sender and any text give an index that exists."""
    assert choose(sender, text, ["go", "me", "vk", "?"]) in range(4)


@pytest.mark.parametrize("unit", ["a", "G-", "line ", "fb", "goog", "proton mail", "\ud800", "\x00", "."])
def test_hostile_messages(unit):
    """A megabyte from a hostile sender is looked at in part and gives an index."""
    assert choose(unit * 1_000_000, unit * 1_000_000, ["go", "me", "fb", "dp"] * 50) in range(4)
