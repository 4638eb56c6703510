from tests.test_model import rig
import time, sys

sys.path.insert(0, "/work/main")
import tests.test_model as tm, tests.modelrig as mr


def wrap(obj, name):
    f = getattr(obj, name)

    def g(*a, **k):
        t = time.monotonic()
        try:
            return f(*a, **k)
        finally:
            d = time.monotonic() - t
            tot[name] = tot.get(name, 0) + d
            cnt[name] = cnt.get(name, 0) + 1
            if d > 1:
                print("SLOW", name, round(d, 2), a[1:], k, flush=True)

    setattr(obj, name, g)


tot = {}
cnt = {}
for n in (
    "attempt",
    "compare",
    "recover",
    "teardown",
    "_buy",
    "cancel",
    "resend",
    "message",
    "close_due",
    "push_due",
    "wake_rested",
):
    wrap(tm.Machine, n) if n in ("attempt", "compare") else None
for n in ("cut_connections", "example"):
    wrap(mr.Rig, n)


def test_x(rig):
    try:
        tm.examine(rig, 15)
    finally:
        for k in tot:
            print(k, cnt[k], round(tot[k], 2), flush=True)
