"""Whoever will drive the machine: store, link, pacing, crash and restart, as a model.

The link loses, doubles, delays and reorders; it breaks, which this side notices up to 3 s later.
A crash forgets everything but the store; what was being stored then is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from engine.domain import close_pacing
from engine.domain.close_pacing import Pace
from engine.domain.reports import CommandResult, DealReport, FullReport
from tests.simulation.closing_broker import (
    DUST,
    STRATEGY,
    Broker,
    Clock,
    Faults,
    Findings,
    Lot,
    Request,
    Terminal,
    record,
)
from tests.simulation.closing_machine import Machine

TICK_MS = 250


class DiedError(Exception):
    """This process is no more: nothing after this point was done."""


@dataclass(frozen=True)
class Wanted:
    """What a guard or a person wants closed."""

    intent_id: str
    kind: str
    position_id: int
    target_lots: float = 0.0
    position_by: int | None = None


@dataclass
class Engine:
    """One account's closes, driven as the actor will drive them."""

    machine: Machine
    clock: Clock
    random: Random
    faults: Faults
    broker: Broker
    terminal: Terminal
    findings: Findings
    wanted: list[Wanted]
    orders: dict[str, Any] = field(default_factory=dict)
    store: dict[str, Any] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    alerts: dict[str, set[str]] = field(default_factory=dict)
    looked_ms: dict[str, int] = field(default_factory=dict)
    """For the judge alone: when the report that each close was decided on was taken."""
    pace: Pace = field(default_factory=Pace)
    life: int = 0
    """Counts crashes: what an earlier life began does not go on."""
    link: int = 0
    """The session's number; what another session carries is not heard."""
    up: bool = True
    cut: bool = False
    synced: bool = False
    running: bool = True
    epoch: int = 1
    asked_ms: int = -10_000

    def start(self) -> None:
        self.broker.on_deal = self._tell_deal
        self.broker.on_position = self._tell_position
        self.terminal.answer = self._tell_answer
        self._connected(self.life)
        self._tick()

    # The link.

    def _carry(self, loss: float, what: Callable[..., None], *args: Any) -> None:
        """To this side: heard only in the session it was said in."""
        if self.cut or self.random.random() < loss:
            return
        slow = self.random.random() < self.faults.reorder
        wait_ms = self.random.randrange(1, 1_500 if slow else 30)
        for _ in range(2 if self.random.random() < self.faults.duplicate else 1):
            self.clock.after(wait_ms, self._hear, self.life, self.link, what, args)

    def _hear(self, life: int, link: int, what: Callable[..., None], args: Any) -> None:
        if self.running and life == self.life and link == self.link and not self.cut:
            what(*args)
            self._pump()

    def _tell_deal(self, deal: DealReport) -> None:
        self._carry(self.faults.lost_reply, self._on_deal, deal)

    def _tell_position(self, name: int, lot: Lot, closed: bool) -> None:
        self._carry(self.faults.lost_reply, self._on_position, record(name, lot), closed)

    def _tell_answer(self, result: CommandResult) -> None:
        self._carry(self.faults.lost_reply, self._on_answer, result)

    def break_link(self) -> None:
        """The terminal is gone at once; this side finds out by its silence."""
        if not self.cut:
            self.cut = True
            self.clock.after(self.random.randrange(0, 3_000), self._lost, self.life)
            if not (self.faults.hopeless and self.random.random() < 0.5):
                wait_ms = self.random.randrange(3_000, 12_000)
                self.clock.after(wait_ms, self._connected, self.life)

    def _lost(self, life: int) -> None:
        if life == self.life and self.running:
            self.up = self.synced = False
            for name in list(self.orders):
                order = self.orders[name]
                self._apply(self.machine.orders.link_lost(order, self.clock.now))

    def _connected(self, life: int) -> None:
        if life != self.life or not self.running:
            return
        if self.up and self.cut:
            self._lost(life)
        self.link += 1
        self.cut, self.up, self.synced = False, True, False
        self.epoch = max(self.epoch, self.terminal.epoch) + 1
        self.terminal.epoch = self.epoch
        for name in list(self.orders):
            self._apply(self.machine.orders.linked(self.orders[name], self.epoch))
        self._ask()

    # What is heard.

    def _ask(self) -> None:
        now = self.clock.now
        if self.up and now - self.asked_ms >= 100:
            self.asked_ms = now
            if self.random.random() >= self.faults.lost_request:
                self.clock.after(self.random.randrange(1, 30), self._report, now, self.link)

    def _report(self, asked_ms: int, link: int) -> None:
        if link == self.link and not self.cut:
            report, taken_ms = self.terminal.report(), self.clock.now
            self._carry(self.faults.lost_reply, self._on_report, report, asked_ms, taken_ms)

    def _on_report(self, report: FullReport, asked_ms: int, taken_ms: int) -> None:
        for name in list(self.orders):
            if name in self.orders:
                order, now = self.orders[name], self.clock.now
                jitter = self.random.random()
                self._apply(self.machine.evidence.on_report(order, report, asked_ms, now, jitter))
        if report.complete:
            self.synced = True
            self._chase(report)
            self._decide(report, taken_ms)

    def _on_deal(self, deal: DealReport) -> None:
        for name in list(self.orders):
            self._apply(self.machine.evidence.on_deal(self.orders[name], deal, self.clock.now))

    def _on_position(self, position: Any, closed: bool) -> None:
        for name in list(self.orders):
            order, now = self.orders[name], self.clock.now
            self._apply(self.machine.evidence.on_position(order, position, closed, now))

    def _on_answer(self, result: CommandResult) -> None:
        for name in list(self.orders):
            order, now = self.orders[name], self.clock.now
            opens = self.broker.closed_until_ms if result.retcode == 10018 else None
            jitter = self.random.random()
            self._apply(self.machine.answers.answered(order, result, now, jitter, opens))

    # What is decided.

    def _decide(self, report: FullReport, taken_ms: int) -> None:
        """Whatever is wanted and neither under way nor over, from what is there now."""
        there = {position.identifier: position for position in report.positions}
        resting = {order.ticket for order in report.orders}
        for wanted in self.wanted:
            name = wanted.intent_id
            if name in self.orders or name in self.over:
                continue
            position = there.get(wanted.position_id)
            cancel = wanted.kind == "cancel" and wanted.position_id in resting
            if position is None and not cancel:
                self.over.add(name)
                continue
            orders = self.machine.orders
            self.looked_ms[name] = taken_ms
            self._apply(
                orders.decided(
                    orders.CloseOrder(
                        intent_id=name,
                        epoch=self.epoch,
                        position_id=wanted.position_id,
                        symbol=position.symbol if position else "EURUSD",
                        kind=orders.Kind(wanted.kind),
                        side=position.type if position else 0,
                        target_volume_lots=wanted.target_lots,
                        current_volume_lots=position.volume if position else 1.0,
                        reason="guard:daily_loss",
                        decided_at_ms=self.clock.now,
                        position_by=wanted.position_by,
                        fillings=3,
                    )
                )
            )

    def _chase(self, report: FullReport) -> None:
        """A strategy's order that filled during the halt is closed as well."""
        known = {wanted.position_id for wanted in self.wanted}
        if not any(wanted.kind == "cancel" for wanted in self.wanted):
            return
        for position in report.positions:
            again = self.machine.plans.reopened(position, known, {STRATEGY}, halted=True)
            if again and close_pacing.may_chase(self.pace, self.clock.now):
                self.pace = close_pacing.chased(self.pace, self.clock.now)
                name = f"again{position.identifier}"
                self.wanted.append(Wanted(name, "full", position.identifier))

    def _apply(self, step: Any) -> None:
        order, actions = step
        name = order.intent_id
        self.orders[name] = order
        for action in actions:
            match type(action).__name__:
                case "Persist":
                    self._may_die()
                    wait_ms = self.random.randrange(0, 5)
                    self.clock.after(wait_ms, self._stored, self.life, order)
                case "AskReport":
                    self._ask()
                case "SlowDown":
                    self.pace = close_pacing.halved(self.pace, self.clock.now)
                case "Alert":
                    self.alerts.setdefault(name, set()).add(action.kind.value)
                case "Settle":
                    self._judge_settled(order)

    def _judge_settled(self, order: Any) -> None:
        broker, name = self.broker, order.position_id
        cancel = order.kind.value == "cancel"
        lot = (broker.resting if cancel else broker.positions).get(name)
        touched = broker.touched_ms.get(order.symbol, 0) >= self.clock.now - 5_000
        if lot is None or touched or lot.side != order.side:
            return
        if cancel or lot.lots > order.target_volume_lots + DUST:
            self.findings.wrongly_settled += 1

    def _stored(self, life: int, order: Any) -> None:
        if life != self.life or not self.running:
            return
        self.store[order.intent_id] = order
        self._may_die()
        now = self.orders.get(order.intent_id)
        if now is not None and now.attempts == order.attempts:
            self._apply(self.machine.orders.made_durable(now))
            self._pump()

    def _pump(self) -> None:
        """Sends what may go: the plan says which, the pace says whether."""
        while self.running and self.up and self.synced:
            now = self.clock.now
            room = min(1, close_pacing.room(self.pace, now))
            going = self.machine.plans.to_send(list(self.orders.values()), room)
            if not going:
                return
            [order] = going
            self.pace = close_pacing.counted(self.pace, now)
            self._may_die()
            looked_ms = self._looked_ms(order)
            command = self.machine.orders.command_of(order)
            expires_ms = now + order.terms.ttl_ms
            self._transmit(Request(command, order.target_volume_lots, looked_ms, expires_ms))
            self._may_die()
            self._apply(self.machine.orders.sent(order, now))

    def _looked_ms(self, order: Any) -> int:
        """As of when the machine can know what is there.

        Until a report that was asked for after the decision is heard, that is the one it was
        decided on: what somebody did on its way here no engine can know.
        """
        if order.known_at_ms > order.decided_at_ms:
            return int(order.known_at_ms)
        return self.looked_ms[order.intent_id]

    def _transmit(self, request: Request) -> None:
        """What is written may arrive even when the link breaks right after."""
        self.findings.commands += 1
        if self.cut or self.random.random() < self.faults.lost_request:
            return
        slow = self.random.random() < self.faults.reorder
        wait_ms = self.random.randrange(1, 1_500 if slow else 30)
        for _ in range(2 if self.random.random() < self.faults.duplicate else 1):
            self.clock.after(wait_ms, self.terminal.take, request)
        if self.random.random() < self.faults.cut_at_send:
            self.break_link()

    def _tick(self) -> None:
        self.clock.after(TICK_MS, self._tick)
        if not self.running:
            return
        if not self.synced or self.random.random() < 0.1:
            self._ask()
        for name in list(self.orders):
            order = self.orders.get(name)
            if order is not None and order.state.value != "settled":
                jitter = self.random.random()
                self._apply(self.machine.orders.elapsed(order, self.clock.now, jitter))
        self._pump()

    # Death and return.

    def _may_die(self) -> None:
        if self.random.random() < self.faults.crash:
            self._crash()
            raise DiedError

    def _crash(self) -> None:
        """Everything but the store is forgotten, and the link is gone."""
        self.findings.crashes += 1
        self.running, self.cut, self.up, self.synced = False, True, False, False
        self.life += 1
        self.link += 1
        self.orders = {}
        self.over = set()
        self.pace = Pace()
        self.clock.after(self.random.randrange(300, 4_000), self._restart, self.life)

    def _restart(self, life: int) -> None:
        if life != self.life:
            return
        self.running = True
        for order in list(self.store.values()):
            self._apply(self.machine.orders.recovered(order, self.clock.now))
        self._connected(life)
