-- What a person buys again and again: chosen by a star, shown first.
create table favourite (
    person_id bigint not null references person on delete cascade,
    service text not null check (length(service) between 1 and 32),
    country int not null,
    created_at timestamptz not null default now(),
    primary key (person_id, service, country)
);
