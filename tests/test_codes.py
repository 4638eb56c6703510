"""What find_code promises: the right code out of any message, nothing out of a notice, and never an error."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet.activations.codes import find_code
from ringlet.activations.codes_read import folded, plain

OWN = Path(__file__).parent / "data" / "otp_messages.jsonl"
# Third-party test data lies outside the project; where it does, it is a second measure.
REFERENCE = Path(__file__).parents[2] / "shared" / "reference" / "otp-messages.jsonl"


def labelled(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


@pytest.mark.parametrize("message", labelled(OWN), ids=lambda message: message["text"][:40])
def test_own_messages(message):
    """Every message of our own collection gives its code, or nothing when it is a notice."""
    found = find_code(message["text"], sender=message.get("sender"), service=message.get("service"))
    assert found == message["code"]


@pytest.mark.parametrize("path", [path for path in [REFERENCE] if path.exists()])
def test_reference_messages(path):
    """At least 99 of 100 labelled messages that others collected give their code."""
    messages = labelled(path)
    right = sum(find_code(message["text"]) == message["code"] for message in messages)
    assert right >= 0.99 * len(messages)


def test_the_collection_is_broad():
    """Our own collection has 1,900 messages in 60 languages or more, an eighth of them without a code."""
    messages = labelled(OWN)
    assert len(messages) >= 1_900
    assert len({message["language"] for message in messages}) >= 60
    assert sum(message["code"] is None for message in messages) * 8 >= len(messages)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("105-876", "105876"),
        ("105 876", "105876"),
        ("1 2 3 4", "1234"),
        ("1-2-3-4-5-6", "123456"),
        ("12 34 56", "123456"),
        ("1234-5678", "12345678"),
        ("1234 5678", "12345678"),
        ("\u0661\u0662\u0663\u0664\u0665\u0666", "123456"),
        ("\uff11\uff12\uff13\uff14", "1234"),
        ("\u096a\u0968\u0967\u0967", "4211"),
        ("12\u200b34\u200d56", "123456"),
        ("\u2067482913\u2069", "482913"),
        ("105\u2013876", "105876"),
        ("\u300c482913\u300d", "482913"),
        ("\u3010482913\u3011", "482913"),
        ('"482913".', "482913"),
        ("R7KQ2", "R7KQ2"),
        ("x7kd99", "x7kd99"),
        ("K7MX-29QP", "K7MX-29QP"),
    ],
)
def test_forms_of_a_code(written, code):
    """A code comes back joined and in ASCII digits however it is written, letters and digits as they are."""
    assert find_code(f"Your verification code is {written}") == code


def test_origin_bound_line_wins():
    """The browser's last line is believed before any other number, and its host is never the code."""
    assert find_code("Your order 771204 is 118822\n\n@github.com #660679") == "660679"
    assert find_code("Sign in 1234\n@shop.example #K7M2QX @pay.example") == "K7M2QX"


def test_rules_of_a_service_come_first():
    """The rules of a service, or of its sender, find what the words of the message do not."""
    assert find_code("Steam code: BCDFG", service="mt") == "BCDFG"
    assert find_code("Steam code: BCDFG", sender="Steam") == "BCDFG"
    assert find_code("Steam code: BCDFG") is None
    assert find_code("123456 or G-7788", service="go") == "7788"


def test_rules_know_the_shape_of_their_code():
    """A rule for a service takes no other number of the message only because it stands first."""
    assert find_code("Order 771920: your WhatsApp code is 418205", service="wa") == "418205"
    assert find_code("Order 771920: your WhatsApp code is 418-205", service="wa") == "418205"
    assert find_code("Order 771920 was shipped", service="wa") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("On your other device enter 580217.", "580217"),
        ("Questions? Please enter 2047 to go on", "2047"),
        ("Введите 2047 на сайте", "2047"),
        ("The code for the door of the house in Mill Lane is 4410", "4410"),
        ("38205 is your one-time code for transfer 44719203", "38205"),
    ],
)
def test_numbers_that_are_asked_for(text, code):
    """A number right after "enter", or after "is" in a sentence that names a code, is the code."""
    assert find_code(text) == code


@pytest.mark.parametrize(
    "day",
    ["Nov 21, 2025", "21 November 2025", "21 de noviembre de 2025", "21. November 2025", "21 ноября 2025"],
)
def test_a_written_date_is_no_code(day):
    """The year of a date is no code, however near it is to the word "password"."""
    assert find_code(f"Your password was changed on {day}.") is None


def test_short_code_needs_its_word():
    """Three digits are a code only right after a word that says so."""
    assert find_code("Your code is 914") == "914"
    assert find_code("Your code will come. Bus 914 leaves now") is None


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1_000_000,
        "1-" * 500_000,
        "1 " * 500_000,
        "code " * 200_000,
        "@" * 1_000_000,
        "a1" * 500_000,
        "a." * 500_000,
        "." * 1_000_000,
        "1." * 500_000,
        "1," * 500_000,
        "x" * 1_000_000,
        "*" * 1_000_000,
        "+1 " * 300_000,
        "http://" * 100_000,
        "12:" * 300_000,
        "rs 1 " * 200_000,
        "1 may " * 200_000,
        "1 Aa " * 200_000,
        "text a " * 200_000,
        "enter " * 200_000,
        "\n" * 1_000_000,
        "\ufdfa" * 100_000,
        "a\u0301" * 500_000,
        "\u0301" * 100_000,
        "\ud800" * 100_000,
        "\x00" * 100_000,
        "",
        " ",
        "\ud800\udfff\x00\U0010ffff",
    ],
    ids=lambda text: repr(text[:6]),
)
def test_hostile_messages(text):
    """A megabyte of anything, lone surrogates and NUL give None: no error and no code."""
    assert find_code(text) is None


def test_repeated_codes_are_bounded():
    """Of a message without end only the head and the tail are read, and a code there is found."""
    assert find_code("code 1234 " * 100_000) == "1234"
    assert find_code("Your code is 482913. " + "blah " * 100_000) == "482913"
    assert find_code("blah " * 100_000 + "\nYour code is 482913.") == "482913"


@given(
    st.text(alphabet=st.characters(exclude_categories=())),
    st.text(),
    st.sampled_from(["wa", "go", "mt", "?", ""]),
)
def test_never_raises(text, sender, service):
    """Any text from any sender for any service gives None or a code of 3 to 12 letters and digits in ASCII."""
    code = find_code(text, sender=sender, service=service)
    assert code is None or (3 <= len(code) <= 12 and code.isascii() and code.replace("-", "").isalnum())


@given(st.lists(st.sampled_from("1234567890 -:.@#/*xXaAcode\n+$%code is rs ()"), max_size=200).map("".join))
def test_never_raises_on_near_codes(text):
    """Text made of the characters of codes gives None or something that stands in it."""
    code = find_code(text)
    assert code is None or all(character in text for character in code)


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_folding_keeps_places(text):
    """Folding keeps every character at its index, because words found in one are places in the other."""
    read = plain(text)
    assert len(folded(read)) == len(read)


@given(st.from_regex(r"[0-9]{6}", fullmatch=True))
def test_any_six_digits(code):
    """No six digits are special after a word for a code."""
    assert find_code(f"Your verification code is {code}. Do not share it.") == code


@given(st.from_regex(r"[0-9]{4}", fullmatch=True))
def test_any_four_digits(code):
    """No four digits are special before a word for a code, years included."""
    assert find_code(f"{code} is your Uber code. Never share it.") == code
