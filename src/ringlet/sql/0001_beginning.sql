-- Words are enums where a sale writes them: PostgreSQL reads every check of a table anew for each statement.

create type account_kind as enum ('funding', 'available', 'held', 'revenue');
create type posting_kind as enum ('credit', 'debit', 'hold', 'capture', 'release');
create type stock_state as enum ('free', 'leased', 'resting');
create type activation_state as enum
    ('ordering', 'waiting', 'received', 'finished', 'failed', 'cancelled', 'expired');

-- Customers, their keys and their money.

create table customer (
    id bigint generated always as identity primary key,
    email text not null check (email = lower(email) and length(email) between 3 and 254),
    frozen_at timestamptz,
    created_at timestamptz not null default now()
);
create unique index customer_email on customer (email);

-- One customer's money in one mode. Its four ledger accounts sum to zero, so no posting ever touches
-- another customer's rows: nobody waits for somebody else's lock, and a wallet is a natural shard.
create table wallet (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    mode text not null check (mode in ('live', 'test')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    unique (customer_id, mode)
);

create table ledger_account (
    id bigint generated always as identity primary key,
    wallet_id bigint not null references wallet,
    kind account_kind not null,
    balance_micros bigint not null default 0,
    unique (wallet_id, kind),
    -- Only the outside world, which pays money in, may be below zero.
    constraint ledger_account_floor check (kind = 'funding' or balance_micros >= 0)
) with (fillfactor = 50);

-- A posting moves an amount from one account of a wallet (its giver) to another one of it (its taker). Both are
-- named by kind within the wallet: a posting between two wallets cannot be written, and the sum of all is zero by
-- shape.
create table posting (
    id bigint generated always as identity primary key,
    wallet_id bigint not null,
    kind posting_kind not null,
    giver account_kind not null,
    taker account_kind not null,
    amount_micros bigint not null,
    activation_id bigint,
    reference varchar(255),
    actor text,
    reason text,
    created_at timestamptz not null default now(),
    constraint posting_moves check (amount_micros > 0 and giver <> taker
        and (kind >= 'hold') = (activation_id is not null))
);
create unique index posting_hold on posting (activation_id) where kind = 'hold';
create unique index posting_settled on posting (activation_id) where kind in ('capture', 'release');
create unique index posting_reference on posting (wallet_id, kind, reference) where reference is not null;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% rows are never changed or deleted', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger posting_immutable before update or delete or truncate on posting
    for each statement execute function refuse_change();

create table api_key (
    id bigint generated always as identity primary key,
    wallet_id bigint not null references wallet,
    token_fingerprint bytea not null unique,
    token_hint text not null,
    scopes text[] not null,
    allowed_addresses cidr[],
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now()
);
create index api_key_wallet on api_key (wallet_id);

-- What is for sale.

-- Where numbers come from: somebody's own stock, or the simulator of test mode.
create table source (
    id bigint generated always as identity primary key,
    name text not null unique check (length(name) between 1 and 64),
    kind text not null check (kind in ('stock', 'simulator')),
    agent_key_fingerprint bytea unique,
    created_at timestamptz not null default now()
);

insert into source (id, name, kind) overriding system value values (0, 'simulator', 'simulator');

-- One cell of a source's price list. For own stock it is also a shelf: `opened_at` says since when the numbers
-- that serve every service stand on it as rows of their own.
create table offer (
    id bigint generated always as identity primary key,
    source_id bigint not null references source,
    country int not null,
    service text not null,
    operator text not null,
    base_price numeric(14, 7) not null check (base_price >= 0),
    available int check (available >= 0),
    opened_at timestamptz,
    changed_at timestamptz not null default now(),
    unique (source_id, country, service, operator)
);
create index offer_changed on offer (changed_at);

create table price_rule (
    id bigint generated always as identity primary key,
    customer_id bigint references customer,
    country int,
    service text,
    kind text not null check (kind in ('markup', 'price')),
    value numeric(14, 7) not null check (value >= 0),
    created_at timestamptz not null default now(),
    unique nulls not distinct (customer_id, country, service)
);

-- One own number; `every_service` stands for the `*` of the stock file.
create table number (
    id bigint generated always as identity primary key,
    source_id bigint not null references source,
    phone text not null unique check (phone ~ '^[1-9][0-9]{4,14}$'),
    country int not null,
    operator text not null,
    every_service boolean not null,
    created_at timestamptz not null default now()
);
create index number_every_service on number (source_id, country, operator, id) where every_service;

-- One own number on the shelf of one offer. Everything that is sold or rests leaves the index of free ones.
create table stock (
    offer_id bigint not null references offer,
    number_id bigint not null references number,
    phone text not null,
    state stock_state not null default 'free',
    due_at timestamptz,
    -- The number while it is free: only one index knows it, so no plan can search by another one and step over
    -- everything that was sold.
    free_id bigint generated always as (case when state = 'free' then number_id end) stored,
    primary key (number_id, offer_id),
    check ((state = 'resting') = (due_at is not null))
);
create index stock_free on stock (offer_id, free_id) where free_id is not null;
create index stock_rest on stock (due_at) where state = 'resting';

-- The trade. No foreign key points at a row that many customers' sales share (source, offer, wallet): its check
-- would lock that row for every sale. Those rows are never deleted, and `ringlet audit` looks after the rest.

create table activation (
    id bigint generated always as identity primary key,
    public_id bigint not null unique,
    wallet_id bigint not null,
    source_id bigint not null,
    offer_id bigint,
    number_id bigint,
    country int not null,
    service text not null,
    operator text not null,
    phone text,
    state activation_state not null,
    amount_micros bigint not null,
    base_price numeric(14, 7) not null,
    code text,
    reference varchar(255),
    resent_from bigint,
    -- A code came to this number for this service under an earlier activation: it rests when the lease ends.
    number_used boolean not null default false,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    due_at timestamptz,
    closed_at timestamptz,
    -- From 'finished' on nothing is due any more.
    constraint activation_closed check (amount_micros >= 0 and (state >= 'finished') = (due_at is null)
        and (due_at is null) = (closed_at is not null))
);
create index activation_wallet on activation (wallet_id, id);
create index activation_reference on activation (wallet_id, reference, id) where reference is not null;
create index activation_due on activation (due_at) where due_at is not null;
-- One number never serves two open activations of one service; and whose message is it: the leases of a number.
create unique index activation_number on activation (number_id, service)
    where state in ('waiting', 'received') and number_id is not null;

create table message (
    id bigint generated always as identity primary key,
    source_id bigint not null,
    source_sms_id bigint not null,
    activation_id bigint references activation,
    phone text not null,
    sender text not null,
    text text not null,
    code text,
    late boolean not null default false,
    received_at timestamptz not null default now(),
    unique (source_id, source_sms_id)
);
create index message_activation on message (activation_id, id) where activation_id is not null;
create index message_orphan on message (id) where activation_id is null;

-- What a simulated owner will push and when; test mode only.
create table simulated_message (
    id bigint generated always as identity primary key,
    activation_id bigint not null references activation,
    text text not null,
    due_at timestamptz not null
);
create index simulated_message_due on simulated_message (due_at);

-- What was done under an Idempotency-Key: the answer is rendered anew from the activation.
create table idempotency (
    wallet_id bigint not null,
    key text not null check (length(key) between 1 and 255),
    fingerprint bytea not null,
    activation_id bigint not null,
    created_at timestamptz not null default now(),
    primary key (wallet_id, key)
);
create index idempotency_created on idempotency (created_at);

-- How many activations a wallet has had up to an id, so that a list's total needs no count over the history.
create table activation_tally (
    wallet_id bigint primary key references wallet,
    up_to_id bigint not null,
    activations bigint not null
);

-- Tables whose rows live short in an index: vacuum comes by share of change, not by size.
alter table stock set (autovacuum_vacuum_scale_factor = 0.02);
alter table activation set (autovacuum_vacuum_scale_factor = 0.02);
alter table simulated_message set (autovacuum_vacuum_scale_factor = 0.02);
