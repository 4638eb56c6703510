"""The handler API, later dialect: the same actions, with refusals as statuses of HTTP and JSON beside them.

`{"title": "NO_BALANCE", "details": "…", "info": {…}}` with 402; an end is confirmed by 204 without a body.
"""

from ringlet.suppliers.handler_api import HandlerApi
from ringlet.suppliers.handler_words import Heard

NO_CONTENT = 204


class HandlerApiHttp(HandlerApi):
    """A supplier that speaks it."""

    async def _say_cancel(self, ref: str) -> Heard:
        heard = await self._ask("cancelActivation", {"id": ref}, is_urgent=True)
        if heard.word == "BAD_ACTION":
            return await super()._say_cancel(ref)
        return Heard(NO_CONTENT, "ACCESS_CANCEL") if heard.status == NO_CONTENT else heard

    async def _say_finish(self, ref: str) -> Heard:
        heard = await self._ask("finishActivation", {"id": ref})
        if heard.word == "BAD_ACTION":
            return await super()._say_finish(ref)
        return Heard(NO_CONTENT, "ACCESS_ACTIVATION") if heard.status == NO_CONTENT else heard
