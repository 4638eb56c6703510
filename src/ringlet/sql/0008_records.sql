-- What people look up: the lines of a statement, and what was told about one activation.

-- Without the holds, which a sale writes: each ends as a capture or a release, and those are the lines.
create index posting_statement on posting (wallet_id, kind, id) where kind <> 'hold';

create index event_activation on event (activation_id, id) where activation_id is not null;
