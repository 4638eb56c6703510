-- Money in: gateways, top-ups, and what gateways said. See decision 34.

-- New words stand before the old ones that the checks name (see 0011). Accounts below 'available' may be below zero:
-- `fees` by what gateways kept, `bonus` and `referral` by what the operator gave away, `debt` by what a customer owes.
alter type account_kind add value 'fees' before 'available';
alter type account_kind add value 'bonus' before 'available';
alter type account_kind add value 'referral' before 'available';
alter type account_kind add value 'debt' before 'available';
alter type posting_kind add value 'fee' before 'hold';
alter type posting_kind add value 'bonus' before 'hold';
alter type posting_kind add value 'referral' before 'hold';
alter type posting_kind add value 'chargeback' before 'hold';
alter type posting_kind add value 'debt' before 'hold';
alter type posting_kind add value 'debt_paid' before 'hold';

-- A way to pay, as the operator has set it up. Its keys are sealed.
create table gateway (
    id bigint generated always as identity primary key,
    kind text not null check (kind ~ '^[a-z]{2,20}$'),
    label text not null check (length(label) between 1 and 60),
    -- Money of the one kind never pays for a wallet of the other.
    mode text not null check (mode in ('live', 'test')),
    is_on boolean not null default false,
    place int not null default 0,
    sealed_config bytea,
    min_micros bigint not null check (min_micros > 0),
    max_micros bigint not null,
    -- What is asked for above the amount that is credited.
    surcharge_percent numeric(5, 2) not null default 0 check (surcharge_percent between 0 and 50),
    surcharge_micros bigint not null default 0 check (surcharge_micros >= 0),
    -- What becomes of more, less and late: 'credit' what has settled, or 'review'.
    on_over text not null default 'credit' check (on_over in ('credit', 'review')),
    on_under text not null default 'credit' check (on_under in ('credit', 'review')),
    on_late text not null default 'review' check (on_late in ('credit', 'review')),
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    -- The daily comparison with what the gateway says has settled, and what it found.
    compared_at timestamptz,
    compared jsonb,
    check (max_micros >= min_micros)
);

create type topup_state as enum ('new', 'open', 'review', 'credited', 'failed', 'expired', 'rejected');

create table topup (
    id bigint generated always as identity primary key,
    -- What gateways know it by, and their idempotency key.
    public_id text not null unique check (public_id ~ '^tu_[0-9A-Za-z]{22}$'),
    wallet_id bigint not null references wallet,
    gateway_id bigint not null references gateway,
    -- of the form that asked: sent twice, it asks once
    once text not null,
    -- A payment that came beside the one that was asked for, to the same address.
    parent_id bigint references topup,
    state topup_state not null default 'new',
    -- What is to be credited, and what is to be paid for it.
    amount_micros bigint not null check (amount_micros > 0),
    charge_micros bigint not null check (charge_micros >= amount_micros),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    external_id text check (length(external_id) between 1 and 200),
    pay_url text,
    pay_address text,
    pay_amount text,
    pay_currency text,
    -- What the gateway says, in the currency of the wallet; never less than it was.
    settled_micros bigint not null default 0 check (settled_micros >= 0),
    fee_micros bigint not null default 0 check (fee_micros >= 0),
    refunded_micros bigint not null default 0 check (refunded_micros >= 0),
    -- What the customer got, and what of it was taken back.
    credited_micros bigint not null default 0 check (credited_micros >= 0),
    bonus_micros bigint not null default 0 check (bonus_micros >= 0),
    returned_micros bigint not null default 0 check (returned_micros >= 0),
    posting_id bigint unique,
    -- A word: why it waits for staff, or failed.
    why text not null default '' check (length(why) <= 40),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    settled_at timestamptz,
    -- When the gateway is to be asked again; null: only when it says something.
    due_at timestamptz,
    looked_at timestamptz,
    looks int not null default 0,
    unique (wallet_id, once),
    constraint topup_payment unique (gateway_id, external_id),
    check ((state = 'credited') = (posting_id is not null)),
    check (posting_id is not null or (credited_micros = 0 and bonus_micros = 0 and returned_micros = 0)),
    check (returned_micros <= credited_micros + bonus_micros)
);
create index topup_due on topup (due_at) where due_at is not null;
create index topup_wallet on topup (wallet_id, id);
create index topup_review on topup (id) where state = 'review';
create index topup_settled on topup (gateway_id, settled_at) where settled_at is not null;
create index topup_parent on topup (parent_id) where parent_id is not null;
alter table topup set (fillfactor = 70);

-- What a gateway told us, as it came: kept for a month. Each is a hint and no more.
create table payment_notice (
    id bigint generated always as identity primary key,
    gateway_id bigint not null references gateway,
    event_id text not null check (length(event_id) between 1 and 200),
    external_id text not null check (length(external_id) <= 200),
    reference text not null check (length(reference) <= 200),
    body bytea not null,
    received_at timestamptz not null default now(),
    -- A payment that we do not know, with the id of a top-up that we do: looked at by a worker.
    due_at timestamptz,
    attempts int not null default 0,
    unique (gateway_id, event_id)
);
create index payment_notice_due on payment_notice (due_at) where due_at is not null;
create index payment_notice_received on payment_notice (received_at);

-- The demo's own gateway: what would be the gateway's truth. Play money.
create table demo_payment (
    external_id text primary key,
    reference text not null unique,
    amount_micros bigint not null check (amount_micros > 0),
    currency text not null,
    state text not null default 'open' check (state in ('open', 'settled', 'failed', 'expired')),
    settled_micros bigint not null default 0,
    refunded_micros bigint not null default 0,
    return_url text not null,
    created_at timestamptz not null default now()
);

-- Play money is topped up with play money.
insert into gateway (kind, label, mode, is_on, min_micros, max_micros)
values ('demo', 'Demo', 'test', true, 1000000, 10000000000);
