"""Applications for desks that live for a test: making one takes longer than most tests, so each is used again."""

from litestar import Litestar

from ringlet.desk import Desk
from ringlet.web import routes
from ringlet.web.door import Door

_made: list[tuple[Litestar, Desk]] = []


def application(desk: Desk) -> Door:
    """An application of its own with this desk behind it, for as long as the desk is open."""
    for place, (made, last) in enumerate(_made):
        if last.db.pool.closed:
            _made[place] = made, desk
            return routes.at_desk(made, desk)
    made = routes.application()
    _made.append((made, desk))
    return routes.at_desk(made, desk)
