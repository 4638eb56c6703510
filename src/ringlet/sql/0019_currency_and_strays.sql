-- The currency of all brands, as the owner has chosen it: null is the one of the settings.
alter table brand add column currency text
    constraint brand_currency check (currency is null or (id = 1 and currency ~ '^[A-Z]{3}$'));

-- What suppliers hold for us and no activation has: few, and looked for with every look at the operator's home.
create index rental_stray on rental (source_id, created_at) where state = 'stray';
