-- An idempotency key keeps which activation a request made. What makes no activation (a webhook, its new secret, a
-- test event) keeps its answer, sealed, because it may hold a secret; `activation_id` is 0 then. One table, so that a
-- key means one thing in an account, whatever it was used for.
alter table idempotency add column answer bytea;
