"""What the protocol knows and this installation does not sell: rents, calls, forwarding, partners' software.

Each is refused in the words in which vendors refuse it, so that a program learns that there is none and goes on.
"""

from collections.abc import Mapping

from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import Ask
from ringlet.web.handler.words import No

#: action → the word of its refusal, and where the classic dialect puts it: bare, or in JSON under this name
REFUSED: Mapping[str, tuple[str, str | None]] = {
    "getRentServicesAndCountries": ("OUT_OF_STOCK", "message"),
    "serviceCountRent": ("OUT_OF_STOCK", "message"),
    "getRentPrices": ("OUT_OF_STOCK", "message"),
    "getRentNumber": ("NO_NUMBERS", "message"),
    "getRentList": ("NO_NUMBERS", "message"),
    "getRentStatus": ("NO_ID_RENT", "message"),
    "setRentStatus": ("NO_ID_RENT", "message"),
    "continueRentNumber": ("NO_ID_RENT", "message"),
    "continueRentInfo": ("NO_ID_RENT", "message"),
    "getContinueRentPriceNumber": ("NO_ID_RENT", "message"),
    "prolong": ("NO_ID_RENT", "message"),
    "prolongOptions": ("NO_ID_RENT", "message"),
    "prolongPrice": ("NO_ID_RENT", "message"),
    "getIncomingCallStatus": ("WRONG_ACTIVATION_ID", None),
    "parseCall": ("NO_CALL", None),
    "getAdditionalService": ("WRONG_ADDITIONAL_SERVICE", None),
    "updateApiCurrency": ("CURRENCY_CHANGE_UNAVAILABLE", None),
    "buyPartnerProduct": ("BAD_DATA", None),
    "returnMoneyActivation": ("INVALID_SIGNATURE", "msg"),
    "manageActivationFailures": ("INVALID_SIGNATURE", "msg"),
}


async def refuse(ask: Ask) -> Answer:
    """Say that there is none."""
    word, place = REFUSED[ask.given.text("action")]
    classic = None if place is None else {"status": "error", place: word}
    raise No(word, details="Not offered here", classic=classic)


async def get_prices_verification(_: Ask) -> Answer:
    """Prices of calls: there are none."""
    return Answer({})
