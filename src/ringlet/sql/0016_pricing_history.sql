-- Every version of each price rule, so that a change can be undone; and how suppliers do, by the hour.

-- One act of somebody about prices, of one rule or of a thousand. Its number is the version of the price list that it
-- made: whoever saves says which one he saw.
create table price_change (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    act text not null check (act in ('set', 'removed', 'undone')),
    reason text not null default '',
    undoes bigint unique references price_change
);

-- What a rule was before a change and after it; null where there was none.
create table price_rule_history (
    change_id bigint not null references price_change,
    rule_id bigint not null,
    before jsonb,
    after jsonb,
    primary key (change_id, rule_id)
);
create index price_rule_history_rule on price_rule_history (rule_id, change_id);

-- One change of prices at a time, so that changes are numbered in the order in which they are committed.
create function price_rule_turn() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('price_rule'));
    return null;
end $$;
create trigger price_rule_turn before insert or update or delete on price_rule execute function price_rule_turn();

-- Here and not in a use case: whatever writes a rule leaves its version. Who says in `ringlet.price_change` which change
-- it belongs to is named there; what nobody says so of was the machine.
create function price_rule_keep() returns trigger language plpgsql as $$
declare
    change bigint = nullif(current_setting('ringlet.price_change', true), '')::bigint;
begin
    if change is null then
        insert into price_change (actor, act) values ('system', 'set') returning id into change;
        perform set_config('ringlet.price_change', change::text, true);
    end if;
    insert into price_rule_history (change_id, rule_id, before, after)
    values (change, coalesce(new.id, old.id), to_jsonb(old), to_jsonb(new))
    on conflict (change_id, rule_id) do update set after = excluded.after;
    return null;
end $$;
create trigger price_rule_keep after insert or update or delete on price_rule
    for each row execute function price_rule_keep();

-- What became of the questions to a supplier: how many ended so, within so many milliseconds, in one hour.
create table supplier_call (
    source_id bigint not null references supplier,
    hour timestamptz not null,
    question text not null,
    outcome text not null,
    under_ms int not null,
    calls bigint not null,
    primary key (source_id, hour, question, outcome, under_ms)
);
create index supplier_call_hour on supplier_call (hour);

-- The last words of each kind of failure, without keys and numbers.
create table supplier_error (
    source_id bigint not null references supplier,
    question text not null,
    outcome text not null,
    said text not null,
    at timestamptz not null,
    primary key (source_id, question, outcome)
);

-- How soon codes came: so many within so many seconds, in one hour.
create table code_pace (
    source_id bigint not null,
    hour timestamptz not null,
    under_s int not null,
    codes bigint not null,
    primary key (source_id, hour, under_s)
);
create index code_pace_hour on code_pace (hour);
