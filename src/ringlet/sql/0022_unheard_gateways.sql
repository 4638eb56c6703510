-- How often a gateway was asked about a payment since it last answered: it is asked again soon, then ever later.
alter table topup add column unheard int not null default 0;
