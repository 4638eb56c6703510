-- What we keep of people, for how long, what they agreed to, and what was reported to us.

-- What the operator has decided on the page; null: as the settings say. One row.
create table privacy (
    is_one boolean primary key default true check (is_one),
    text_days smallint check (text_days between 1 and 90),
    number_days smallint check (number_days between 1 and 365),
    asks_for_work boolean,
    identity_url text check (length(identity_url) between 1 and 2000),
    -- Sealed: it signs what we ask and what is answered.
    identity_secret bytea,
    check (text_days <= number_days),
    check ((identity_url is null) = (identity_secret is null))
);
insert into privacy default values;

-- Solutions that were handed in, until they would be too old anyhow: each is taken once.
create table work_done (
    fingerprint bytea primary key,
    ends_at timestamptz not null
);
create index work_done_ends on work_done (ends_at);

-- Where the operator's decision differs from the list that is shipped.
create table mail_domain (
    domain text primary key check (domain = lower(domain) and length(domain) between 3 and 253),
    is_refused boolean not null
);

-- Every version that there was; the highest counts.
create table acceptable_use (
    version int primary key check (version > 0),
    text text not null check (length(text) between 1 and 20000),
    created_at timestamptz not null default now()
);
insert into acceptable_use (version, text) values (1,
'Numbers from here are for receiving messages that are meant for you.

You do not use them
- to pretend to be somebody else, or to open accounts in the name of another person;
- to defraud, threaten or harass anybody, or to send unwanted messages;
- to get around a ban, an age limit or a check of identity;
- for banks, payments, government services or emergency calls;
- for anything that the law forbids where you are or where the number is.

A number is yours for one lease. Afterwards somebody else may have it: do not leave an account of yours hanging on it.

We may refuse a service, cancel a lease and freeze an account that breaks these rules, and we answer lawful requests.');

create table acceptance (
    person_id bigint not null references person on delete cascade,
    version int not null references acceptable_use,
    accepted_at timestamptz not null default now(),
    primary key (person_id, version)
);

-- Whether we know who a customer is. No row: nobody has asked.
create table identity_check (
    customer_id bigint primary key references customer,
    state text not null check (state in ('none', 'pending', 'verified', 'refused')),
    changed_at timestamptz not null default now(),
    changed_by text not null,
    -- When the operator's own service is to be asked, next time.
    due_at timestamptz,
    attempts int not null default 0,
    error text,
    check (due_at is null or state = 'pending')
);
create index identity_check_due on identity_check (due_at) where due_at is not null;

-- What somebody tells us about a number. It is forgotten like numbers are, once it was dealt with.
create table number_report (
    id bigint generated always as identity primary key,
    phone text not null check (phone ~ '^[1-9][0-9]{4,14}$'),
    story text not null check (length(story) between 1 and 4000),
    email text check (length(email) <= 254),
    created_at timestamptz not null default now(),
    done_at timestamptz,
    check (email = lower(email))
);
create index number_report_open on number_report (id) where done_at is null;
create index number_report_done on number_report (done_at) where done_at is not null;

-- Numbers that are never leased again, by whomever they are.
create table blocked_number (
    phone text primary key check (phone ~ '^[1-9][0-9]{4,14}$'),
    blocked_at timestamptz not null default now()
);

-- On a shelf a blocked number rests for good: whatever would free it, the row says no.
create function stock_blocked() returns trigger language plpgsql as $$
begin
    if exists (select from blocked_number where phone = new.phone) then
        new.state = 'resting';
        new.due_at = '9999-12-31 00:00:00+00';
    end if;
    return new;
end $$;
create trigger stock_blocked before insert or update on stock for each row
    when (new.state <> 'leased') execute function stock_blocked();

-- Accounts whose data is being erased: the history follows in batches.
create table erasure (
    customer_id bigint primary key references customer,
    -- Done up to this activation.
    up_to_id bigint not null default 0,
    asked_at timestamptz not null default now(),
    done_at timestamptz
);
create index erasure_open on erasure (customer_id) where done_at is null;

alter table message add column is_forgotten boolean not null default false;
-- Work for retention: a row leaves its index when it is done.
create index message_to_forget on message (received_at) where not is_forgotten;
create index activation_to_mask on activation (closed_at)
    where closed_at is not null and phone <> '' and position('*' in phone) = 0;
create index rental_to_mask on rental (closed_at)
    where closed_at is not null and phone <> '' and position('*' in phone) = 0;

-- 62***********03: the country's calling code and the last two digits. A masked one stays as it is.
create function masked_phone(phone text) returns text language sql immutable parallel safe as $$
    select case when position('*' in phone) > 0 then phone
        when length(phone) < 8 then repeat('*', length(phone))
        else left(phone, kept) || repeat('*', length(phone) - kept - 2) || right(phone, 2) end
    from (select case when phone ~ '^[17]' then 1
        when phone ~ '^(2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])' then 2 else 3 end) as code (kept)
$$;
