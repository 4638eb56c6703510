-- Brands: one installation, several shops, each under its own host names. See decision 30.

-- Brand 1 is the installation itself; without a name of its own it is called as the settings say.
create table brand (
    id bigint generated always as identity primary key,
    name text check (length(name) between 1 and 60),
    -- The reseller whose shop it is; null: the operator's. Never changed: prices and shares of past sales rest on it.
    customer_id bigint references customer,
    colours jsonb not null default '{}',
    -- Empty: all that there are.
    languages text[] not null default '{}',
    mail_from text not null default '' check (length(mail_from) <= 200),
    support_url text not null default '' check (length(support_url) <= 500),
    -- Counts the changes: part of the address of what a browser may keep.
    version int not null default 1,
    created_at timestamptz not null default now(),
    constraint brand_named check (name is not null or id = 1),
    constraint brand_house check (customer_id is null or id <> 1)
);
insert into brand (id) overriding system value values (1);
select setval(pg_get_serial_sequence('brand', 'id'), 1);
create index brand_customer on brand (customer_id) where customer_id is not null;

create table brand_host (
    host text primary key check (host = lower(host) and length(host) between 1 and 253),
    brand_id bigint not null references brand,
    -- The first one is where letters lead to.
    place int not null
);
create index brand_host_brand on brand_host (brand_id);

-- As we have written it ourselves: nothing of the file that was sent.
create table brand_logo (
    brand_id bigint primary key references brand,
    width int not null,
    height int not null,
    content bytea not null,
    icon bytea not null
);

create table brand_page (
    brand_id bigint not null references brand,
    kind text not null check (kind in ('terms', 'privacy', 'imprint')),
    language text not null check (length(language) between 2 and 35),
    body text not null check (length(body) between 1 and 100000),
    primary key (brand_id, kind, language)
);

create table announcement (
    id bigint generated always as identity primary key,
    brand_id bigint not null references brand,
    tone text not null check (tone in ('info', 'good', 'waiting', 'bad')),
    -- By language.
    texts jsonb not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    created_at timestamptz not null default now(),
    check (starts_at < ends_at)
);
create index announcement_ends on announcement (ends_at);
create index announcement_brand on announcement (brand_id, id);

-- Customers belong to a brand; the same address may have an account at two.
alter table customer add column brand_id bigint not null default 1 references brand;
drop index customer_email;
create unique index customer_email on customer (email, brand_id);
create index customer_brand on customer (brand_id, id) where brand_id <> 1;

-- Who a letter is from was decided when it was written; null: as the settings say.
alter table letter add column sender text;
alter table letter add column sender_name text;

-- One more scope of prices, between everybody and a group.
alter table price_rule add column brand_id bigint references brand;
alter table price_rule drop constraint price_rule_one_owner;
alter table price_rule add constraint price_rule_one_owner
    check (num_nonnulls(customer_id, group_id, brand_id) <= 1);
alter table price_rule drop constraint price_rule_scope;
alter table price_rule add constraint price_rule_scope
    unique nulls not distinct (customer_id, group_id, brand_id, country, service, aspect, starts_at);

-- What a reseller gets of a sale in the shop: written with the activation, earned with its capture, posted by a worker.
-- When the operator gives the customer's money back later, the share goes back in the same two steps.
create table resale (
    activation_id bigint primary key,
    brand_id bigint not null,
    -- The reseller's live wallet.
    wallet_id bigint not null,
    share_micros bigint not null check (share_micros >= 0),
    earned_at timestamptz,
    posting_id bigint,
    returned_at timestamptz,
    return_posting_id bigint,
    check (posting_id is null or earned_at is not null),
    check (returned_at is null or earned_at is not null),
    check (return_posting_id is null or (returned_at is not null and posting_id is not null))
) with (fillfactor = 70);
create index resale_due on resale (wallet_id, activation_id)
    where earned_at is not null and posting_id is null and returned_at is null and share_micros > 0;
create index resale_return_due on resale (wallet_id, activation_id)
    where returned_at is not null and posting_id is not null and return_posting_id is null;
create index resale_earned on resale (brand_id, activation_id) where earned_at is not null;
create index resale_posting on resale (posting_id) where posting_id is not null;
create index resale_return_posting on resale (return_posting_id) where return_posting_id is not null;
alter table resale set (autovacuum_vacuum_scale_factor = 0.02);

-- The account that shares come out of: below zero by what the operator passed on. Both words stand before the old
-- ones that the checks name: they stay true, and a word cannot be used in the transaction that adds it.
alter type account_kind add value 'resale' before 'available';
alter type posting_kind add value 'resale_share' before 'hold';
alter type posting_kind add value 'resale_return' before 'hold';
alter table ledger_account drop constraint ledger_account_floor;
alter table ledger_account add constraint ledger_account_floor check (kind < 'available' or balance_micros >= 0);

-- The sale from own stock where some of the buyers are a reseller's customers: the same sale, and the share with it.
create function sell_from_stock_resold(
    buyer bigint, available_id bigint, held_id bigint, price_micros bigint,
    wanted_offer bigint, after_number bigint, excluded text[],
    id_shown bigint, base numeric, lease_s double precision, note text,
    once_key text, once_fingerprint bytea,
    shop bigint, reseller bigint, share bigint,
    out known_fingerprint bytea, out known_id bigint, out has_number boolean, out posting_id bigint, out sold activation
) language plpgsql as $$
declare
    done record;
begin
    select * into done from sell_from_stock(buyer, available_id, held_id, price_micros, wanted_offer, after_number,
        excluded, id_shown, base, lease_s, note, once_key, once_fingerprint);
    known_fingerprint := done.known_fingerprint;
    known_id := done.known_id;
    has_number := done.has_number;
    posting_id := done.posting_id;
    sold := done.sold;
    if shop is not null and sold.id is not null then
        insert into resale (activation_id, brand_id, wallet_id, share_micros)
        values (sold.id, shop, reseller, share);
    end if;
end $$;

-- What a sale brought: what was paid, what of it is the reseller's, and what stays with the operator. One row for each
-- capture; `kept_micros` is the operator's revenue net of shares, before any refund of that sale.
create view sale_revenue as
select p.id as posting_id, p.activation_id, p.wallet_id, p.created_at, r.brand_id, p.amount_micros as paid_micros,
    coalesce(r.share_micros, 0) as share_micros, p.amount_micros - coalesce(r.share_micros, 0) as kept_micros
from posting p left join resale r on r.activation_id = p.activation_id
where p.kind = 'capture';
