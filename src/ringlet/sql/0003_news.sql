-- News for customers: what happened to their activations, told by streams and webhooks.

-- Only wallets that somebody listens to have events written: an endpoint, or a stream within the last day.
alter table wallet add column listens_until timestamptz;

-- What was true when it happened: the activation's state and code of that moment, or the numbers in `data`.
create table event (
    id bigint generated always as identity primary key,
    wallet_id bigint not null,
    type text not null check (type ~ '^[a-z]+\.[a-z_]+$'),
    activation_id bigint,
    message_id bigint,
    state activation_state,
    code text,
    data jsonb,
    created_at timestamptz not null default now()
);
create index event_wallet on event (wallet_id, id);
create index event_created on event (created_at);

-- Where a wallet's webhooks go. The same address is not told the same thing twice.
create table webhook_endpoint (
    id bigint generated always as identity primary key,
    public_id text not null unique,
    wallet_id bigint not null references wallet,
    url text not null check (length(url) <= 2000),
    description text not null default '',
    form text not null default 'standard' check (form in ('standard', 'field')),
    -- What it is told of; empty = everything.
    types text[] not null,
    -- Since when every attempt has failed.
    failing_since timestamptz,
    disabled_at timestamptz,
    disabled_why text,
    created_at timestamptz not null default now(),
    unique (wallet_id, url, form)
);

-- What an endpoint's webhooks are signed with, sealed. The newest has no end; those before it stay good for a while.
create table webhook_secret (
    id bigint generated always as identity primary key,
    endpoint_id bigint not null references webhook_endpoint on delete cascade,
    sealed bytea not null,
    good_until timestamptz
);
create index webhook_secret_endpoint on webhook_secret (endpoint_id, id);

-- One event for one endpoint. `attempts` counts those that were made; due_at is null when it is over.
create table delivery (
    id bigint generated always as identity primary key,
    event_id bigint not null,
    endpoint_id bigint not null,
    attempts int not null default 0,
    due_at timestamptz,
    -- Whoever works on it now; nobody else takes it before.
    claimed_until timestamptz,
    delivered_at timestamptz,
    failed_at timestamptz,
    created_at timestamptz not null default now(),
    check ((due_at is null) = (delivered_at is not null or failed_at is not null))
);
-- Endpoint by endpoint: what waits for one must not stand before what waits for another.
create index delivery_due on delivery (endpoint_id, due_at) where due_at is not null;
create index delivery_endpoint on delivery (endpoint_id, id);
create index delivery_event on delivery (event_id);

-- What came back, for the customer's log. The text of messages is not copied here.
create table delivery_attempt (
    id bigint generated always as identity primary key,
    delivery_id bigint not null,
    status int,
    error text,
    took_ms int not null,
    answer text,
    attempted_at timestamptz not null default now()
);
create index delivery_attempt_delivery on delivery_attempt (delivery_id, id);
create index delivery_attempt_attempted on delivery_attempt (attempted_at);

-- Who wants to hear when his money runs low: told once, and again only after it was enough in between.
alter table wallet add column low_balance_micros bigint check (low_balance_micros > 0);
alter table wallet add column is_low boolean not null default false;
create index wallet_low_balance on wallet (id) where low_balance_micros is not null;

alter table delivery set (autovacuum_vacuum_scale_factor = 0.02);

-- The handler API keeps one id for an activation and all that followed it on the same number.
create index activation_resent on activation (wallet_id, resent_from) where resent_from is not null;

-- The sale from own stock is one statement, and most wallets have nobody who listens: what tells of it costs a sale
-- nothing until somebody does. It says the same as `ringlet/events.py`, in the transaction of the sale.
create function tell_created(wallet bigint, activation bigint) returns boolean language plpgsql as $$
declare
    told bigint;
begin
    insert into event (wallet_id, type, activation_id, state)
    values (wallet, 'activation.created', activation, 'waiting') returning id into told;
    insert into delivery (event_id, endpoint_id, due_at)
    select told, e.id, now() from webhook_endpoint e
    where e.wallet_id = wallet and e.disabled_at is null
        and (e.types = '{}' or 'activation.created' = any (e.types));
    perform pg_notify('ringlet', 'event ' || wallet);
    return true;
end $$;
