"""The code tables: getCountries, getServicesList, getOperators."""

from ringlet import canon
from ringlet.web.handler.answers import Answer
from ringlet.web.handler.asking import ANY, Ask, read_country
from ringlet.web.handler.words import No


async def get_countries(_: Ask) -> Answer:
    """Every country by its number; we have names in English only."""
    return Answer(
        {
            str(each.id): {
                "id": each.id,
                "rus": each.name,
                "eng": each.name,
                "chn": each.name,
                "visible": 1,
                "retry": 1,
                "rent": 0,
                "multiService": 1,
            }
            for each in canon.countries().values()
        }
    )


async def get_services_list(ask: Ask) -> Answer:
    """Every service, or those with an offer in one country."""
    codes = canon.services()
    text = ask.given.text("country")
    if text and text.lower() != ANY:
        country, policy = read_country(text), ask.office.desk.policy.now
        offered = ask.office.desk.prices.shop.countries.get(country, {})
        sold = {code for code in offered if policy.sells(ask.wallet.customer_id, code, country)}
        codes = {code: each for code, each in codes.items() if code in sold}
    services = [{"code": each.code, "name": each.name} for each in codes.values()]
    return Answer({"status": "success", "services": services})


async def get_operators(ask: Ask) -> Answer:
    """The operators with numbers on offer, by country."""
    text = ask.given.text("country")
    shop = ask.office.desk.prices.shop.countries
    wanted = [read_country(text)] if text and text.lower() != ANY else sorted(shop)
    found = {}
    for country in wanted:
        cells = shop.get(country, {}).values()
        names = {offer.operator for cell in cells for offer in cell.values()} - {ANY}
        if names:
            found[str(country)] = sorted(names)
    if not found:
        raise No("OPERATORS_NOT_FOUND")
    return Answer({"status": "success", "countryOperators": found})
