-- Operations: which processes are alive, how the jobs of the workers do, and which backups were made.

-- One row of each process, renewed every quarter of a minute and forgotten after an hour.
create table process_seen (
    name text primary key,
    room text not null check (room in ('web', 'worker')),
    host text not null,
    pid int not null,
    version text not null,
    migration int not null,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null default now()
);

-- The last round of each job, by whichever worker told last.
create table job_seen (
    job text primary key,
    ended_at timestamptz not null,
    took_ms int not null,
    taken bigint not null,
    failed_at timestamptz,
    error text
);

create table backup_made (
    id bigint generated always as identity primary key,
    made_at timestamptz not null default now(),
    file text not null,
    bytes bigint not null,
    row_count bigint not null,
    migration int not null,
    version text not null,
    is_sealed boolean not null
);
