"""A report that a terminal sends of its own accord is never taken for the answer to a request."""

from typing import Any

import trio

from adapters.mt5.terminal_side import Commanded, TerminalEvent
from engine.domain.ids import AccountKey
from engine.domain.reports import FullReport
from engine.link import Action, Handed, Receipt, Sent, TerminalCommand
from tests.adapters.mt5.link_house import LONG_S, house
from tests.adapters.mt5.link_samples import ACCOUNT, GMT, position, report


def is_a_wish(event: TerminalEvent) -> bool:
    return isinstance(event, Commanded) and event.command.action is Action.REPORT


async def test_what_was_sent_unasked_does_not_answer_the_request_under_way(
    monkeypatch: Any,
) -> None:
    asked: list[int] = []
    heard = trio.Event()

    async def keep(key: AccountKey, told: FullReport, sent: Sent, receipt: Receipt) -> None:
        asked.append(sent.asked_ns)
        receipt.sign()
        if len(asked) == 3:
            heard.set()

    async with house() as open_house, open_house.linked() as line:
        monkeypatch.setattr(open_house.sink, "reported", keep)
        await line.say(line.side.send_report(report(), GMT))
        wish = TerminalCommand(action=Action.REPORT)
        # Not before the first has come: a wish while one is awaited is kept until then.
        with trio.fail_after(LONG_S):
            while not asked:
                await trio.sleep(0.01)
        assert open_house.gateway.send_nowait(ACCOUNT, wish) is Handed.HANDED
        await line.until(is_a_wish)
        await line.say(
            line.side.send_report(report(), GMT, unasked=True),
            line.side.send_report(report(position(7)), GMT),
        )
        with trio.fail_after(LONG_S):
            await heard.wait()
    welcome, unasked, answer = asked
    assert unasked == welcome, "it may have been taken at any time since"
    assert answer > welcome
