-- What the shop earned, hour by hour and day by day, so that no page counts the history; and what the audit found.

-- Measures of one hour (UTC): of everything ('all'), and of each service, country and source. `key` is the code or
-- the id as text. See ringlet/backoffice/figures.py for what each measure means.
create table figure_hour (
    dimension text not null check (dimension in ('all', 'service', 'country', 'source')),
    currency text not null,
    at timestamptz not null,
    key text not null,
    revenue_micros bigint not null,
    share_micros bigint not null,
    cost_micros bigint not null,
    refund_micros bigint not null,
    top_up_micros bigint not null,
    debit_micros bigint not null,
    sales bigint not null,
    releases bigint not null,
    code_micros bigint not null,
    primary key (dimension, currency, at, key)
) with (fillfactor = 70);

-- The same of one day (UTC), and of each customer: a year of hours of every service is too much for a page.
create table figure_day (
    dimension text not null check (dimension in ('all', 'service', 'country', 'source', 'customer')),
    currency text not null,
    at timestamptz not null,
    key text not null,
    revenue_micros bigint not null,
    share_micros bigint not null,
    cost_micros bigint not null,
    refund_micros bigint not null,
    top_up_micros bigint not null,
    debit_micros bigint not null,
    sales bigint not null,
    releases bigint not null,
    code_micros bigint not null,
    primary key (dimension, currency, at, key)
) with (fillfactor = 70);

-- Up to which postings they are counted: everything behind is added when somebody looks. One row.
create table figure_mark (
    is_only boolean primary key default true check (is_only),
    posting_id bigint not null,
    supplier_posting_id bigint not null
);
insert into figure_mark (posting_id, supplier_posting_id) values (0, 0);

-- What the last audit found, and who is at it now. One row.
create table audit_made (
    is_only boolean primary key default true check (is_only),
    began_at timestamptz,
    ended_at timestamptz,
    took_ms int,
    -- Breaches, at most so many of each check; null with `error` when it came to no end.
    breaches jsonb,
    error text,
    -- Since when every audit has found something.
    broken_since timestamptz
);
insert into audit_made default values;

-- What wants attention stands in an index of its own, so that a good day costs nothing.
create index webhook_endpoint_failing on webhook_endpoint (failing_since) where failing_since is not null;
create index letter_failed on letter (created_at) where sent_at is null and due_at is null;
