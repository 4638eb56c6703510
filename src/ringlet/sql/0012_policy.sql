-- What may not be sold, and how fast anybody may buy.

create table policy_rule (
    id bigint generated always as identity primary key,
    customer_id bigint references customer,
    service text,
    category text,
    country int,
    is_allowed boolean not null,
    reason text not null default '',
    created_by text not null,
    created_at timestamptz not null default now(),
    check (num_nonnulls(service, category) <= 1 and num_nonnulls(service, category, country) >= 1)
);
create unique index policy_rule_scope on policy_rule (customer_id, service, category, country) nulls not distinct;

create table policy_freeze (
    service text primary key,
    reason text not null,
    frozen_by text not null,
    frozen_at timestamptz not null default now()
);

-- Limits and switches by name; a customer's own before everybody's. NULL is no limit.
create table policy_number (
    customer_id bigint references customer,
    name text not null,
    value bigint check (value >= 0)
);
create unique index policy_number_name on policy_number (customer_id, name) nulls not distinct;

-- Whom the operator knows: nobody is limited by default who was not opened on the pages.
alter table customer add column vouched_at timestamptz;
update customer c set vouched_at = c.created_at where not exists (select from person p where p.customer_id = c.id);

-- Purchases of an account, a key or an address in a minute, an hour or a day; added up by the processes.
create table purchase_pace (
    subject text not null,
    span text not null,
    begins_at timestamptz not null,
    ends_at timestamptz not null,
    purchases bigint not null,
    micros bigint not null,
    primary key (subject, span, begins_at)
);
create index purchase_pace_end on purchase_pace (ends_at);
create index activation_open on activation (wallet_id) where due_at is not null;

-- How many of the numbers that an account had brought a code, by the hour in which they ended.
alter table outcome add column wallet_id bigint;
-- Given back before anybody could have sent a code: says something about the buyer, nothing about the source.
alter table outcome add column is_fair boolean not null default true;

create table use_tally (
    customer_id bigint not null,
    hour timestamptz not null,
    orders int not null,
    codes int not null,
    primary key (customer_id, hour)
);
create index use_tally_hour on use_tally (hour);

-- An account that used too little of what it bought rests. One row per account: the last time.
create table purchase_pause (
    customer_id bigint primary key references customer,
    began_at timestamptz not null default now(),
    ends_at timestamptz not null,
    orders int not null,
    codes int not null,
    lifts int not null default 0
);
create index purchase_pause_end on purchase_pause (ends_at);
create index customer_frozen on customer (frozen_at) where frozen_at is not null;
