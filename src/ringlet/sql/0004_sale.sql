-- The sale from own stock, all of it or nothing; `ringlet/activations/sale.py` calls it and says what it means.
-- It is a function because one statement of ten parts spends more time in setting its parts up than in moving
-- the money: the plans of these short statements are kept by each connection. See decision 26.
--
-- Never wait on a locked number (skip locked), always on a locked balance: available first, then held.
create function sell_from_stock(
    buyer bigint, available_id bigint, held_id bigint, price_micros bigint,
    wanted_offer bigint, after_number bigint, excluded text[],
    id_shown bigint, base numeric, lease_s double precision, note text,
    once_key text, once_fingerprint bytea,
    out known_fingerprint bytea, out known_id bigint, out has_number boolean, out posting_id bigint, out sold activation
) language plpgsql as $$
declare
    picked record;
begin
    has_number := false;
    if once_key is not null then
        select i.fingerprint, i.activation_id into known_fingerprint, known_id
        from idempotency i where i.wallet_id = buyer and i.key = once_key;
        if found then
            return;
        end if;
    end if;

    select s.number_id, s.phone into picked from stock s
    where s.offer_id = wanted_offer and s.free_id > after_number and not (s.phone like any (excluded))
    order by s.free_id limit 1 for update skip locked;
    if not found then
        select s.number_id, s.phone into picked from stock s
        where s.offer_id = wanted_offer and s.free_id <= after_number and not (s.phone like any (excluded))
        order by s.free_id limit 1 for update skip locked;
        if not found then
            return;
        end if;
    end if;
    has_number := true;

    update ledger_account set balance_micros = balance_micros - price_micros
    where id = available_id and balance_micros >= price_micros;
    if not found then
        return;
    end if;
    update ledger_account set balance_micros = balance_micros + price_micros where id = held_id;

    update stock set state = 'leased' where offer_id = wanted_offer and number_id = picked.number_id;
    insert into activation (public_id, wallet_id, source_id, offer_id, number_id, country, service, operator,
        phone, state, amount_micros, base_price, reference, expires_at, due_at)
    select id_shown, buyer, o.source_id, o.id, picked.number_id, o.country, o.service, o.operator,
        picked.phone, 'waiting', price_micros, base, note,
        now() + make_interval(secs => lease_s), now() + make_interval(secs => lease_s)
    from offer o where o.id = wanted_offer
    returning * into sold;

    if price_micros > 0 then
        insert into posting (wallet_id, kind, giver, taker, amount_micros, activation_id)
        values (buyer, 'hold', 'available', 'held', price_micros, sold.id) returning id into posting_id;
    end if;
    if once_key is not null then
        insert into idempotency (wallet_id, key, fingerprint, activation_id)
        values (buyer, once_key, once_fingerprint, sold.id);
    end if;
    perform tell_created(buyer, sold.id) from wallet w where w.id = buyer and w.listens_until > now();
end $$;
