"""Samples of one request in several languages, made from its description; what is shown can be run as it stands."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

#: how it is called in the address and on the tab, in the order of the tabs
LANGUAGES: Mapping[str, str] = {
    "curl": "curl",
    "client": "Python client",
    "python": "Python requests",
    "javascript": "JavaScript",
    "php": "PHP",
}
#: a key of the visitor's stands here when there is one
PLACEHOLDER = "rl_test_…"

#: operation → the call of our client that does the same; a line for each line
CLIENT: Mapping[str, str] = {
    "getPrice": 'print(ringlet.price("ig", 6))',
    "getPrices": "print(ringlet.prices(country=6))",
    "buy": 'print(ringlet.buy("ig", 6))',
    "getStatus": 'print(ringlet.status("4390520873", wait_s=30))',
    "resend": 'print(ringlet.resend("4390520873"))',
    "cancel": 'print(ringlet.cancel("4390520873"))',
    "listActivations": "for activation in ringlet.activations():\n    print(activation.phone, activation.state)",
    "listen": "for event in ringlet.events():\n    print(event.type, event.data.activation)",
    "getBalance": "print(ringlet.balance())",
    "listCountries": "print(ringlet.countries())",
    "listServices": "print(ringlet.services())",
    "listOperators": "print(ringlet.operators(6))",
    "getStatistics": 'print(ringlet.statistics("ig", 6))',
    "createWebhook": 'print(ringlet.webhooks.create("https://shop.example.com/ringlet").secret)',
    "listWebhooks": "print(ringlet.webhooks.list())",
    "getWebhook": 'print(ringlet.webhooks.get("wh_0A1b2C3d4E5f6G7h8I9j0K"))',
    "changeWebhook": 'print(ringlet.webhooks.change("wh_0A1b2C3d4E5f6G7h8I9j0K", types=["activation.completed"]))',
    "deleteWebhook": 'ringlet.webhooks.delete("wh_0A1b2C3d4E5f6G7h8I9j0K")',
    "rotateWebhookSecret": 'print(ringlet.webhooks.rotate("wh_0A1b2C3d4E5f6G7h8I9j0K").secret)',
    "testWebhook": 'print(ringlet.webhooks.test("wh_0A1b2C3d4E5f6G7h8I9j0K"))',
    "listDeliveries": 'for delivery in ringlet.webhooks.deliveries("wh_0A1b2C3d4E5f6G7h8I9j0K"):\n    print(delivery)',
    "replayDelivery": 'print(ringlet.webhooks.replay("wh_0A1b2C3d4E5f6G7h8I9j0K", "88012"))',
    "recoverWebhook": (
        'print(ringlet.webhooks.recover("wh_0A1b2C3d4E5f6G7h8I9j0K", datetime(2025, 11, 8, tzinfo=UTC)))'
    ),
}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request with all its values. `once`: it carries an Idempotency-Key."""

    operation: str
    method: str
    path: str
    query: Mapping[str, object]
    body: Any = None
    has_key: bool = True
    once: bool = False
    is_stream: bool = False

    def address(self, origin: str) -> str:
        """Where it goes, with its query."""
        query = "?" + urlencode(self.query, quote_via=quote) if self.query else ""
        return f"{origin}{self.path}{query}"


def samples(call: Call, origin: str, key: str) -> dict[str, str]:
    """Language → the sample. There is none of our client where it does not serve that door."""
    return {name: text for name, make in _MAKERS.items() if (text := make(call, origin, key))}


def curl(call: Call, origin: str, key: str) -> str:
    """For the shell."""
    method = {"GET": "", "POST": "" if call.body is not None else " -X POST"}.get(
        call.method, f" -X {call.method}"
    )
    lines = [f'curl -s{"N" if call.is_stream else ""}{method} "{call.address(origin)}"']
    if call.has_key:
        lines.append(f'-H "Authorization: Bearer {key}"')
    if call.once:
        lines.append('-H "Idempotency-Key: $(date +%s)-$RANDOM"')
    if call.body is not None:
        text = json.dumps(call.body, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{text}'"]
    return " \\\n  ".join(lines)


def _client(call: Call, origin: str, key: str) -> str:
    if call.operation not in CLIENT:
        return ""
    body = CLIENT[call.operation].replace("\n", "\n    ")
    dates = "from datetime import UTC, datetime\n" if "datetime" in body else ""
    return f'{dates}from ringlet.client import Ringlet\n\nwith Ringlet("{key}", "{origin}") as ringlet:\n    {body}'


def _python(call: Call, origin: str, key: str) -> str:
    headers = [f'"Authorization": "Bearer {key}"'] if call.has_key else []
    if call.once:
        headers.append('"Idempotency-Key": str(uuid.uuid4())')
    inner = [f'"{call.address(origin)}",']
    if headers:
        inner.append(f"headers={{{', '.join(headers)}}},")
    if call.body is not None:
        inner.append(f"json={_python_value(call.body)},")
    inner.append("stream=True," if call.is_stream else "timeout=60,")
    after = (
        "for line in answer.iter_lines(chunk_size=1, decode_unicode=True):\n    print(line)"
        if call.is_stream
        else "print(answer.status_code, answer.json())"
    )
    imports = "import uuid\n\nimport requests" if call.once else "import requests"
    lines = "\n    ".join(inner)
    return f"{imports}\n\nanswer = requests.{call.method.lower()}(\n    {lines}\n)\n{after}"


def _python_value(value: Any) -> str:
    """JSON as Python writes it, in double quotes as everything here."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_python_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _javascript(call: Call, origin: str, key: str) -> str:
    headers = [f'"Authorization": "Bearer {key}"'] if call.has_key else []
    if call.once:
        headers.append('"Idempotency-Key": crypto.randomUUID()')
    if call.body is not None:
        headers.append('"Content-Type": "application/json"')
    options = [f'method: "{call.method}",'] if call.method != "GET" else []
    if headers:
        options += ["headers: {", *(f"  {each}," for each in headers), "},"]
    if call.body is not None:
        options.append(f"body: JSON.stringify({json.dumps(call.body, ensure_ascii=False)}),")
    lines = "\n  ".join(options)
    after = (
        "for await (const text of answer.body.pipeThrough(new TextDecoderStream())) console.log(text);"
        if call.is_stream
        else "console.log(answer.status, await answer.json());"
    )
    return f'const answer = await fetch("{call.address(origin)}", {{\n  {lines}\n}});\n{after}'


def _php(call: Call, origin: str, key: str) -> str:
    headers = [f'"Authorization: Bearer {key}"'] if call.has_key else []
    if call.once:
        headers.append('"Idempotency-Key: " . bin2hex(random_bytes(16))')
    if call.body is not None:
        headers.append('"Content-Type: application/json"')
    options = [] if call.is_stream else ["CURLOPT_RETURNTRANSFER => true,"]
    if call.method != "GET":
        options.append(f'CURLOPT_CUSTOMREQUEST => "{call.method}",')
    if headers:
        options += ["CURLOPT_HTTPHEADER => [", *(f"    {each}," for each in headers), "],"]
    if call.body is not None:
        options.append(f"CURLOPT_POSTFIELDS => json_encode({_php_value(call.body)}),")
    lines = "\n    ".join(options)
    after = "curl_exec($curl);" if call.is_stream else "echo curl_exec($curl), PHP_EOL;"
    return f'<?php\n$curl = curl_init("{call.address(origin)}");\ncurl_setopt_array($curl, [\n    {lines}\n]);\n{after}'


def _php_value(value: Any) -> str:
    if isinstance(value, dict):
        return "[" + ", ".join(f"{_php_value(k)} => {_php_value(v)}" for k, v in value.items()) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(map(_php_value, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value)


_MAKERS: Mapping[str, Callable[[Call, str, str], str]] = {
    "curl": curl, "client": _client, "python": _python, "javascript": _javascript, "php": _php,
}  # fmt: skip
