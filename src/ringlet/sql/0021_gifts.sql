-- Gifts: a bonus on top of payments, a share for who brings customers, and a letter about a low balance.

-- A refund after its share was given takes the share back. New words stand before 'hold' (see 0011).
alter type posting_kind add value 'referral_return' before 'hold';

-- On top of a payment of so much credit or more, to live wallets: of all rules that hold, the one that gives most.
create table bonus_rule (
    id bigint generated always as identity primary key,
    from_micros bigint not null check (from_micros > 0),
    percent numeric(5, 2) not null check (percent between 0 and 100),
    fixed_micros bigint not null check (fixed_micros >= 0),
    cap_micros bigint check (cap_micros > 0),
    is_first_only boolean not null,
    -- Only by this way to pay; null: by any.
    gateway_id bigint references gateway,
    starts_at timestamptz not null,
    ends_at timestamptz,
    created_at timestamptz not null default now(),
    check (percent > 0 or fixed_micros > 0),
    check (ends_at >= starts_at)
);
create index bonus_rule_ends on bonus_rule (ends_at);
-- Whether a payment is a wallet's first one.
create index topup_credited on topup (wallet_id) where posting_id is not null;

-- What bringing somebody is worth to who does it from now on. One row; nothing per cent is off.
create table referral_terms (
    is_only boolean primary key default true check (is_only),
    percent numeric(5, 2) not null default 0 check (percent between 0 and 50),
    -- For so many days after the sign-up; null: without end.
    days int check (days between 1 and 3650)
);
insert into referral_terms default values;

-- Who brings customers: his code, what all of them have earned him, and what of it is posted. More is posted than
-- earned while a refund could not be taken back whole.
create table referrer (
    customer_id bigint primary key references customer,
    code text not null unique check (code ~ '^[0-9A-Za-z]{10}$'),
    brought int not null default 0,
    earned_micros bigint not null default 0 check (earned_micros >= 0),
    posted_micros bigint not null default 0 check (posted_micros >= 0),
    -- How often something was posted: the number of a posting is its reference.
    postings int not null default 0,
    -- What he has earned has changed, and a worker has not looked yet.
    is_due boolean not null default false,
    -- From then on he earns nothing more.
    stopped_at timestamptz,
    created_at timestamptz not null default now()
) with (fillfactor = 70);
create index referrer_due on referrer (customer_id) where is_due;
create index referrer_best on referrer (earned_micros, brought, customer_id);

-- Whom he brought, and the terms as they were at that sign-up: they stay.
create table referral (
    customer_id bigint primary key references customer,
    referrer_id bigint not null references referrer,
    -- In hundredths of a per cent.
    share int not null check (share between 1 and 5000),
    ends_at timestamptz,
    -- Captures less refunds of the live wallet, up to the mark; the share is rounded down once, on this sum.
    spent_micros bigint not null default 0 check (spent_micros >= 0),
    created_at timestamptz not null default now(),
    check (customer_id <> referrer_id)
) with (fillfactor = 70);
create index referral_referrer on referral (referrer_id);

-- Up to which posting spending is counted. One row. Before today nobody was brought.
create table referral_mark (
    is_only boolean primary key default true check (is_only),
    posting_id bigint not null
);
insert into referral_mark (posting_id) select coalesce(max(id), 0) from posting;

-- The low-balance alert by letter: due from the fall until it was written, at most one a day.
alter table wallet add column low_by_letter boolean not null default false;
alter table wallet add column low_letter_due boolean not null default false;
alter table wallet add column low_letter_at timestamptz;
create index wallet_low_letter on wallet (id) where low_letter_due;
