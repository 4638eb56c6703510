"""What messages say is their customer's: whoever looks through his eyes sees dots in its place."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ringlet.activations.store import Activation, Message
from ringlet.backoffice.reveal import masked
from ringlet.web.pages.live_cards import Card, Text

#: what is masked of each kind of thing that a page shows
HIDDEN: Mapping[type, tuple[str, ...]] = {
    Message: ("text", "code"), Activation: ("code",), Text: ("text", "code"), Card: ("code",),
}  # fmt: skip
#: things that a page shows already written out
WRITTEN_OUT = frozenset({"raw"})


def hide(context: Mapping[str, Any]) -> dict[str, Any]:
    """What a template is told, without what messages say."""
    return {name: "" if name in WRITTEN_OUT else _hidden(value) for name, value in context.items()}


def _hidden(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _hidden_struct(value)
    if isinstance(value, dict):
        return {key: _hidden(each) for key, each in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_hidden(each) for each in value)
    return value


def _hidden_struct(value: msgspec.Struct) -> msgspec.Struct:
    changes: dict[str, Any] = {}
    for name in value.__struct_fields__:
        known = getattr(value, name)
        if name in HIDDEN.get(type(value), ()):
            changes[name] = known if known is None else masked(str(known))
        elif (hidden := _hidden(known)) is not known:
            changes[name] = hidden
    return msgspec.structs.replace(value, **changes) if changes else value
