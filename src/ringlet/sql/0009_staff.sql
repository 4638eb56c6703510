-- Who runs the shop, and what they did.

-- Staff are people with an account like any other, and a role.
create table staff (
    person_id bigint primary key references person (id),
    role text not null check (role in ('owner', 'finance', 'support', 'catalogue', 'readonly')),
    created_at timestamptz not null default now(),
    created_by text not null
);

-- What staff did: only ever added to, each row sealed with the one before it. About things by their ids, never with
-- a number or a text of a message: those are forgotten in time, and this is not.
create table staff_act (
    id bigint primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    role text not null,
    person_id bigint,
    address inet,
    user_agent text not null default '',
    request_id text not null default '',
    act text not null,
    about text not null default '',
    customer_id bigint,
    reason text not null default '',
    before jsonb,
    after jsonb,
    seal bytea not null
);

create index staff_act_about on staff_act (about, id);
create index staff_act_act on staff_act (act, id);
create index staff_act_customer on staff_act (customer_id, id) where customer_id is not null;
create index staff_act_person on staff_act (person_id, id) where person_id is not null;

-- In UTC, so that every session spells the moment in the same way.
create function staff_act_seal(done staff_act, seal_before bytea) returns bytea
    language sql stable set timezone = 'UTC'
    return sha256(coalesce(seal_before, '') || convert_to((to_jsonb(done) - 'seal')::text, 'UTF8'));

-- One after the other: the number and the seal are given under one lock.
create function staff_act_add() returns trigger language plpgsql as $$
declare
    last staff_act;
begin
    perform pg_advisory_xact_lock(hashtext('staff_act'));
    select * into last from staff_act order by id desc limit 1;
    new.id = coalesce(last.id, 0) + 1;
    new.at = clock_timestamp();
    new.seal = staff_act_seal(new, last.seal);
    return new;
end $$;
create trigger staff_act_add before insert on staff_act for each row execute function staff_act_add();

create function staff_act_stays() returns trigger language plpgsql as $$
begin
    raise exception 'what staff did is only ever added to';
end $$;
create trigger staff_act_stays before update or delete on staff_act for each row execute function staff_act_stays();
create trigger staff_act_stays_whole before truncate on staff_act execute function staff_act_stays();
