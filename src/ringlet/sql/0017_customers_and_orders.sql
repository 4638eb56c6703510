-- Customers and orders as staff see them: search, notes, corrections that two people decide, a look through a customer's eyes.

-- A sale that was charged and is given back later: from revenue, and once, because its reference names the activation.
alter type posting_kind add value 'refund';

-- An order by its number, or by its customer's own word for it, whoever the customer is.
create index activation_phone on activation (phone collate "C", id);
create index activation_by_reference on activation (reference collate "C", id) where reference is not null;

-- Any part of an address of three characters and more is the beginning of one of its ends, and a GIN index finds
-- words by their beginnings. It is there on every server, which the extension for trigrams is not.
create function email_parts(email text) returns tsvector language sql immutable strict parallel safe
    return array_to_tsvector(array(select substr(email, at) from generate_series(1, greatest(1, length(email) - 2)) as at));
create index customer_email_parts on customer using gin (email_parts(email));
create index api_key_hint on api_key (right(token_hint, 4));

-- What staff know about a customer; only ever added to, and gone when the person is erased.
create table customer_note (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    at timestamptz not null default now(),
    author text not null,
    text text not null check (length(text) between 1 and 2000)
);
create index customer_note_customer on customer_note (customer_id, id);

-- Credits and debits by staff. A small one is posted at once; one above the limit waits for a second person.
create type adjustment_state as enum ('posted', 'waiting', 'approved', 'refused', 'expired');
create table adjustment (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customer,
    amount_micros bigint not null check (amount_micros <> 0),
    reason text not null check (length(reason) between 1 and 200),
    -- of the form that asked: sent twice, it asks once
    once text not null unique,
    state adjustment_state not null,
    asked_by text not null,
    asked_person bigint not null,
    asked_at timestamptz not null default now(),
    expires_at timestamptz not null,
    decided_by text,
    decided_person bigint,
    decided_at timestamptz,
    posting_id bigint unique,
    check (asked_person <> decided_person),
    check ((state in ('posted', 'approved')) = (posting_id is not null)),
    check ((state in ('approved', 'refused')) = (decided_person is not null))
);
create index adjustment_waiting on adjustment (id) where state = 'waiting';
create index adjustment_asked on adjustment (asked_person, asked_at) where state = 'posted';
create index adjustment_customer on adjustment (customer_id, id);

-- A member of the staff looks at the client's pages through a customer's eyes: for an hour, changing nothing.
create table impersonation (
    id bigint generated always as identity primary key,
    token_fingerprint bytea not null unique,
    person_id bigint not null references person,
    session_id bigint not null,
    customer_id bigint not null references customer,
    actor text not null,
    role text not null,
    reason text not null,
    begun_at timestamptz not null default now(),
    ends_at timestamptz not null,
    ended_at timestamptz
);
create index impersonation_open on impersonation (ends_at) where ended_at is null;
