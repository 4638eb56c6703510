"""`ringlet serve`: one command that starts everything, and tells nobody's secrets."""

import json
import stat

import pytest

from tests.site import Site


@pytest.fixture(scope="module")
def quiet(demo_site: Site) -> Site:
    """The demo that files share for those who only look."""
    return demo_site


def test_the_demo_file_is_whole_and_private(quiet: Site) -> None:
    """Ready means that demo.json is there, complete, and for nobody else's eyes."""
    assert stat.S_IMODE((quiet.home / "demo.json").stat().st_mode) == 0o600
    assert set(quiet.demo) == {
        "base_url", "api_key", "test_key", "handler_url", "agent_url", "agent_key", "client_email",
        "client_password", "admin_email", "admin_password",
    }  # fmt: skip
    assert quiet.demo["base_url"] == quiet.url


def test_a_second_serve_on_the_same_port_says_so(quiet: Site) -> None:
    """One sentence instead of a trace, and the first goes on."""
    done = quiet.ringlet("serve", "--port", str(quiet.port))
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert quiet.is_ready()


def test_logs_name_requests_and_hide_secrets(site: Site) -> None:
    """Every answer's request id is in the log; no key, message text, code or phone number is."""
    status, bought, head = site.call("POST", "/api/v1/resell/virtual/buy", {"service": "ig", "country": 6})
    assert status == 200
    activation = bought["activation"]
    site.push(activation["phone"], "Secret text, your code is 735912", 77, sender="SenderName")
    site.call(
        "GET", f"/api/v1/resell/virtual/{activation['activation_id']}/status?api_key={site.demo['api_key']}"
    )
    site.call("GET", "/api/v1/balance", key="rl_live_wrong" + "x" * 38)
    site.stop()
    log = site.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert any(line.get("request_id") == head["x-request-id"] for line in lines)
    assert any(line.get("activation") == activation["activation_id"] for line in lines)
    greeting_end = log.rindex("Stop with Ctrl-C")
    after = log[greeting_end:]
    for secret in (
        site.demo["api_key"],
        site.demo["agent_key"],
        "Secret text",
        "735912",
        activation["phone"],
        "SenderName",
        "rl_live_wrong",
    ):
        assert secret not in after


def test_metrics_need_their_key(quiet: Site) -> None:
    """Figures of the whole installation, only for whoever has the metrics key."""
    quiet.call("GET", "/api/v1/balance")
    assert quiet.call("GET", "/metrics", key=None)[0] == 404
    assert quiet.call("GET", "/metrics")[0] == 404
    found = json.loads(quiet.ringlet("doctor", "--json").stdout)["findings"]
    key = next(each["finding"] for each in found if each["part"] == "metrics key")
    status, text, _ = quiet.call("GET", "/metrics", key=key)
    assert status == 200
    assert b'ringlet_http_requests_total{method="GET",route="/api/v1/balance",status="200"}' in text


def test_health(quiet: Site) -> None:
    """Alive and ready, without a key."""
    assert quiet.call("GET", "/healthz", key=None)[:2] == (200, {"status": "ok"})
    assert quiet.call("GET", "/readyz", key=None)[:2] == (200, {"status": "ready"})
