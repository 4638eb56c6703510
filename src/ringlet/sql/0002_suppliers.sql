-- Suppliers: numbers rented upstream, what they cost, and how well each does.

alter table source drop constraint source_kind_check;
alter table source add constraint source_kind_check check (kind in ('stock', 'simulator', 'supplier'));

-- A supplier is a source with an address, a key and terms. What the workers learn of it stands here too, so that
-- every process knows the same.
create table supplier (
    source_id bigint primary key references source,
    protocol text not null check (protocol ~ '^[a-z0-9-]{1,32}$'),
    url text not null check (url ~ '^https?://'),
    sealed_key bytea not null,
    -- Its hints ("something came for this rental") arrive at an address that only it knows.
    hint_fingerprint bytea not null unique,
    -- One unit of its money in ours.
    currency_rate numeric(14, 7) not null default 1 check (currency_rate > 0),
    -- The operator's thumb on the scale: 2 makes it look half as dear.
    weight numeric(8, 4) not null default 1 check (weight > 0),
    deadline_s int not null default 15 check (deadline_s between 1 and 60),
    requests_per_s int not null default 20 check (requests_per_s between 1 and 1000),
    sync_every_s int not null default 90 check (sync_every_s between 5 and 86400),
    stale_after_s int not null default 900 check (stale_after_s between 10 and 604800),
    exposure_cap_micros bigint check (exposure_cap_micros >= 0),
    balance_alert_micros bigint,
    -- What an owner of SIM cards is paid for a number; the other protocols name their prices themselves.
    unit_cost numeric(14, 7) check (unit_cost >= 0),
    paused_at timestamptz,
    created_at timestamptz not null default now(),
    -- Learned.
    balance_micros bigint,
    balance_at timestamptz,
    books_micros bigint,
    exposure_micros bigint not null default 0,
    rentals_open int not null default 0,
    synced_at timestamptz,
    sync_error text,
    refused_until timestamptz,
    refused_why text,
    watched_by text,
    watched_until timestamptz
);

-- Their names for countries and services, and ours. What has no name of ours is listed and never sold.
create table code_map (
    source_id bigint not null references supplier,
    kind text not null check (kind in ('country', 'service')),
    theirs text not null check (length(theirs) between 1 and 64),
    ours text,
    -- Set by the operator: a sync does not guess again.
    is_decided boolean not null default false,
    seen_at timestamptz not null default now(),
    primary key (source_id, kind, theirs)
);
create unique index code_map_ours on code_map (source_id, kind, ours) where ours is not null;

-- The question that is out at a supplier for an activation that is 'ordering'. `attempt` counts the offers that
-- were tried; whoever goes on to the next one says which attempt he saw fail.
create table asking (
    activation_id bigint primary key,
    source_id bigint not null,
    offer_id bigint not null,
    attempt int not null default 1,
    cost_max numeric(14, 7) not null,
    operators text[] not null,
    excluded_prefixes text[] not null,
    asked_at timestamptz not null default now()
);
create index asking_source on asking (source_id, activation_id);

-- A number rented at a supplier, by the supplier's own name for it. 'stray': the supplier says that it is ours and
-- no activation has it. 'closing': we want the supplier to cancel or finish it, at `due_at`, until he confirms.
create type rental_state as enum ('stray', 'open', 'closing', 'returned', 'spent');
create type rental_wish as enum ('cancel', 'finish');
create table rental (
    source_id bigint not null,
    supplier_ref text not null check (length(supplier_ref) between 1 and 64),
    activation_id bigint,
    country int not null,
    service text not null,
    operator text not null,
    phone text not null,
    cost numeric(14, 7) not null,
    state rental_state not null,
    wish rental_wish,
    -- The customer asked for the end; without it a wish to cancel comes from the time being up.
    is_customers_wish boolean not null default false,
    -- The supplier refuses a cancel before this.
    cancel_after timestamptz,
    tries int not null default 0,
    last_error text,
    -- The supplier no longer lists it.
    missing_since timestamptz,
    due_at timestamptz,
    created_at timestamptz not null default now(),
    closed_at timestamptz,
    primary key (source_id, supplier_ref),
    check ((state in ('returned', 'spent')) = (closed_at is not null)),
    check (state <> 'closing' or (wish is not null and due_at is not null))
) with (fillfactor = 80);
create unique index rental_activation on rental (activation_id) where state = 'open';
-- Two answers with the same number at the same time: one of them is leased.
create unique index rental_number on rental (source_id, phone, service) where state = 'open';
create index rental_live on rental (source_id, supplier_ref) where state in ('stray', 'open', 'closing');
create index rental_due on rental (source_id, due_at) where due_at is not null;
create index rental_of_activation on rental (activation_id) where activation_id is not null;
-- Whose message is it, when a supplier pushes it by number; and is this number already leased?
create index rental_phone on rental (source_id, phone, created_at);

-- Money at suppliers: what we paid in lies with them ('prepaid') until it is spent ('cost'). The sum of the four
-- is zero by shape; no row is shared by two sales, the balance is summed up behind a mark.
create type supplier_account as enum ('outside', 'prepaid', 'cost', 'suspense');
create type supplier_posting_kind as enum ('deposit', 'charge', 'refund', 'correction');
create table supplier_posting (
    id bigint generated always as identity primary key,
    source_id bigint not null,
    kind supplier_posting_kind not null,
    giver supplier_account not null,
    taker supplier_account not null,
    amount_micros bigint not null,
    supplier_ref text,
    actor text,
    reason text,
    created_at timestamptz not null default now(),
    constraint supplier_posting_moves check (amount_micros > 0 and giver <> taker
        and (kind in ('charge', 'refund')) = (supplier_ref is not null))
);
-- A rental is charged once and refunded at most once.
create unique index supplier_posting_once on supplier_posting (source_id, supplier_ref, kind)
    where supplier_ref is not null;
create index supplier_posting_source on supplier_posting (source_id, id);
create trigger supplier_posting_immutable before update or delete or truncate on supplier_posting
    for each statement execute function refuse_change();

create table supplier_tally (
    source_id bigint primary key references supplier,
    up_to_id bigint not null default 0,
    prepaid_micros bigint not null default 0,
    cost_micros bigint not null default 0,
    suspense_micros bigint not null default 0
);

-- How an activation ended, for the success rates: written with the end, summed up by a worker, then deleted.
create table outcome (
    id bigint generated always as identity primary key,
    source_id bigint not null,
    country int not null,
    service text not null,
    operator text not null,
    seconds_to_code real,
    closed_at timestamptz not null default now()
);

-- Orders and codes by hour; what is older than eight days is deleted.
create table success_tally (
    source_id bigint not null,
    country int not null,
    service text not null,
    operator text not null,
    hour timestamptz not null,
    orders int not null,
    codes int not null,
    code_seconds double precision not null,
    primary key (source_id, country, service, operator, hour)
);
create index success_tally_hour on success_tally (hour);

alter table rental set (autovacuum_vacuum_scale_factor = 0.02);
alter table asking set (autovacuum_vacuum_scale_factor = 0.02);
alter table outcome set (autovacuum_vacuum_scale_factor = 0.02);

-- Prices: groups of accounts, rules that add up from general to particular, and times between which they count.
create table account_group (
    id bigint generated always as identity primary key,
    name text not null unique check (length(name) between 1 and 64),
    -- What its members see as base_price: what the number costs us, or the list price.
    base_price_shows text not null default 'cost' check (base_price_shows in ('cost', 'list')),
    created_at timestamptz not null default now()
);
alter table customer add column group_id bigint references account_group;

alter table price_rule drop constraint price_rule_customer_id_country_service_key;
alter table price_rule drop constraint price_rule_kind_check;
alter table price_rule
    add column group_id bigint references account_group,
    -- markup: a share of the cost; fixed: an amount on top of the cost; price: a price of its own;
    -- min_margin: at least so much above the cost; rounding: up to a multiple; below_cost: 1 allows a loss.
    add constraint price_rule_kind_check
        check (kind in ('markup', 'fixed', 'price', 'min_margin', 'rounding', 'below_cost')),
    add column starts_at timestamptz,
    add column ends_at timestamptz,
    add constraint price_rule_times check (starts_at < ends_at),
    add constraint price_rule_one_owner check (customer_id is null or group_id is null);
alter table price_rule alter column value type numeric(14, 7);
-- What a rule decides about; for each aspect the most particular rule wins, so that two of one scope, aspect and
-- beginning would contradict each other.
alter table price_rule
    add column aspect text not null
        generated always as (case when kind in ('markup', 'price') then 'base' else kind end) stored,
    add constraint price_rule_scope
        unique nulls not distinct (customer_id, group_id, country, service, aspect, starts_at);
create index customer_group on customer (group_id) where group_id is not null;
