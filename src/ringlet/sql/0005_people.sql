-- People who sign in to the web pages: who they are, how they prove it, and what they are written.

-- One person signs in for one customer; the e-mail address is the customer's.
create table person (
    id bigint generated always as identity primary key,
    customer_id bigint not null unique references customer,
    -- None for an account that the operator made: its owner chooses one by the letter of a reset.
    password_hash text,
    confirmed_at timestamptz,
    language text not null default 'en' check (length(language) between 2 and 35),
    time_zone text not null default 'UTC' check (length(time_zone) between 1 and 64),
    theme text not null default 'system' check (theme in ('light', 'dark', 'system')),
    totp_secret bytea,
    -- The step of the last code that was taken: none is taken twice.
    totp_step bigint,
    totp_confirmed_at timestamptz,
    created_at timestamptz not null default now(),
    check (totp_confirmed_at is null or totp_secret is not null)
);

create table person_session (
    id bigint generated always as identity primary key,
    token_fingerprint bytea not null unique,
    person_id bigint not null references person on delete cascade,
    mode text not null default 'live' check (mode in ('live', 'test')),
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    -- When the person last proved who he is, in this session.
    proven_at timestamptz not null default now(),
    address inet,
    user_agent text not null default '' check (length(user_agent) <= 300),
    awaits_second_factor boolean not null default false,
    -- Ended ones stay for a while: an address from which somebody signed in before is not a stranger's.
    ended_at timestamptz
);
create index person_session_person on person_session (person_id, id);

create table recovery_code (
    person_id bigint not null references person on delete cascade,
    fingerprint bytea not null,
    used_at timestamptz,
    primary key (person_id, fingerprint)
);

create table passkey (
    id bigint generated always as identity primary key,
    person_id bigint not null references person on delete cascade,
    credential_id bytea not null unique check (length(credential_id) between 1 and 1023),
    public_key bytea not null,
    sign_count bigint not null,
    name text not null check (length(name) between 1 and 100),
    created_at timestamptz not null default now(),
    last_used_at timestamptz
);
create index passkey_person on passkey (person_id, id);

-- What an authenticator was asked to sign, good for five minutes and for one answer. Without a session: somebody who
-- signs in with nothing but a passkey.
create table passkey_challenge (
    token_fingerprint bytea primary key,
    purpose text not null check (purpose in ('add', 'verify', 'sign_in')),
    session_id bigint references person_session on delete cascade,
    challenge bytea not null,
    ends_at timestamptz not null,
    check ((purpose = 'sign_in') = (session_id is null))
);

-- One-time links in letters. They prove that somebody reads the mail of an address.
create table proof (
    id bigint generated always as identity primary key,
    token_fingerprint bytea not null unique,
    purpose text not null check (purpose in ('confirm', 'reset', 'email')),
    person_id bigint not null references person on delete cascade,
    new_email text check (new_email = lower(new_email)),
    ends_at timestamptz not null,
    used_at timestamptz,
    created_at timestamptz not null default now(),
    check ((purpose = 'email') = (new_email is not null))
);
create index proof_open on proof (person_id, purpose) where used_at is null;

-- Mail that waits to be sent. Its text may hold a one-time link: it is sealed, and gone when it was sent.
create table letter (
    id bigint generated always as identity primary key,
    recipient text not null,
    subject text not null,
    body bytea,
    attempts int not null default 0,
    due_at timestamptz default now(),
    sent_at timestamptz,
    error text,
    created_at timestamptz not null default now(),
    check (sent_at is null or due_at is null),
    check (due_at is null or body is not null)
);
create index letter_due on letter (due_at) where due_at is not null;
create index letter_created on letter (created_at);

-- Buckets of attempts that every process shares. A key is an HMAC: no address of anybody can be read here.
create table throttle (
    key text primary key,
    level double precision not null,
    at timestamptz not null
) with (fillfactor = 70);

-- Keys that their owners make themselves.
alter table api_key add column name text not null default '' check (length(name) <= 100);
alter table api_key add column daily_cap_micros bigint check (daily_cap_micros > 0);
-- The key that came in its place; this one ends when the overlap is over.
alter table api_key add column rolled_to bigint references api_key;
alter table api_key add column last_used_address inet;
alter table api_key add column created_by text not null default '';

-- What a key with a daily cap has spent on a day of UTC; keys without a cap write nothing here.
create table key_spending (
    key_id bigint not null references api_key,
    day date not null,
    micros bigint not null check (micros >= 0),
    primary key (key_id, day)
) with (fillfactor = 70);
