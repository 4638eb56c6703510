"""The handler API's doors: `/stubs/handler_api.php` and, with refusals as statuses of HTTP, `/stubs/handler_api_v2.php`.

    routes ──▶ asking (parameters) ──▶ key (who asks) ──▶ actions (which verb) ──▶ one file per verb
                                                                                      │
    routes ◀── answers (text or JSON, in either dialect) ◀── words (refusals) ◀───────┘

A handler id names a lease, however many messages were asked for on it: `leases.py`.
"""
