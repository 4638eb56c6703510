-- The operator's side of payments: whether gateways answer, what staff decided, proofs, vouchers, and money given back.

-- Asked now and then whether its keys are good; compared once a day with what we know.
alter table gateway
    add column check_due_at timestamptz not null default now(),
    add column checked_at timestamptz,
    add column failing_since timestamptz,
    add column failure text check (length(failure) <= 300),
    add column compare_due_at timestamptz not null default now();

-- Payments of which only staff can know.
create index topup_by_hand on topup (id) where state = 'open' and due_at is null;
create index payment_notice_external on payment_notice (gateway_id, external_id, id);
create index payment_notice_reference on payment_notice (gateway_id, reference, id);

-- What staff said about a payment: alone, or waiting for a second person (see adjustment).
create table topup_approval (
    id bigint generated always as identity primary key,
    topup_id bigint not null references topup,
    -- What came, and what it is worth as credit.
    settled_micros bigint not null check (settled_micros > 0),
    credit_micros bigint not null check (credit_micros > 0),
    state text not null check (state in ('posted', 'waiting', 'approved', 'refused')),
    asked_by text not null,
    asked_person bigint not null,
    asked_at timestamptz not null default now(),
    decided_by text,
    decided_person bigint,
    decided_at timestamptz,
    check (asked_person <> decided_person or state = 'refused'),
    check ((state in ('approved', 'refused')) = (decided_person is not null))
);
create unique index topup_approval_waiting on topup_approval (topup_id) where state = 'waiting';
create index topup_approval_asked on topup_approval (asked_person, asked_at) where state = 'posted';
create index topup_approval_topup on topup_approval (topup_id, id);

-- What a payer shows of his transfer: a picture drawn anew, or a PDF as it came.
create table topup_proof (
    id bigint generated always as identity primary key,
    topup_id bigint not null references topup,
    name text not null check (length(name) between 1 and 80),
    media_type text not null check (media_type in ('image/png', 'image/jpeg', 'application/pdf')),
    content bytea not null,
    created_at timestamptz not null default now(),
    -- Set when it is decided.
    gone_at timestamptz
);
create index topup_proof_topup on topup_proof (topup_id, id);
create index topup_proof_gone on topup_proof (gone_at) where gone_at is not null;

-- Codes that are money: each once.
create table voucher_batch (
    id bigint generated always as identity primary key,
    -- of the form that asked: sent twice, it makes one batch
    once text not null unique,
    count int not null check (count > 0),
    amount_micros bigint not null check (amount_micros > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    note text not null check (length(note) between 1 and 200),
    made_by text not null,
    -- Null: from the command line.
    made_person bigint,
    made_at timestamptz not null default now(),
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index voucher_batch_made on voucher_batch (made_person, made_at) where made_person is not null;
create table voucher (
    id bigint generated always as identity primary key,
    batch_id bigint not null references voucher_batch,
    fingerprint bytea not null unique,
    topup_id bigint unique references topup
);
create index voucher_redeemed on voucher (batch_id) where topup_id is not null;
-- The gateway by which they come is there once, and only when a batch was made.
create unique index gateway_voucher on gateway (kind) where kind = 'voucher';

-- Money on its way back to a payer: the balance gave it in the transaction that wrote the row.
create table topup_refund (
    id bigint generated always as identity primary key,
    -- The gateway's idempotency key, and the posting's reference should the customer have it back.
    key text not null unique check (key ~ '^rf_[0-9A-Za-z]{22}$'),
    topup_id bigint not null references topup,
    once text not null,
    amount_micros bigint not null check (amount_micros > 0),
    debited_micros bigint not null check (debited_micros >= 0),
    state text not null default 'asked' check (state in ('asked', 'done', 'refused')),
    reason text not null check (length(reason) between 1 and 200),
    asked_by text not null,
    asked_at timestamptz not null default now(),
    ended_at timestamptz,
    due_at timestamptz default now(),
    attempts int not null default 0,
    failure text check (length(failure) <= 300),
    unique (topup_id, once),
    check ((state = 'asked') = (due_at is not null)),
    check ((state = 'asked') = (ended_at is null))
);
create index topup_refund_due on topup_refund (due_at) where due_at is not null;
