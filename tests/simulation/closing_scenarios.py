"""Seeded scenarios of closing, each with its own mix of troubles, and what must hold at the end."""

from random import Random

from tests.simulation.closing_broker import DUST, Broker, Clock, Faults, Findings, Lot, Terminal
from tests.simulation.closing_engine import DiedError, Engine, Wanted
from tests.simulation.closing_machine import Machine

TROUBLED_MS = 60_000
END_MS = 420_000
KINDS = ("full", "partial", "netting", "netting_partial", "hedging", "flatten")


def faults_of(random: Random) -> Faults:
    """Each scenario has its own mix; one in eight has none."""
    if random.random() < 0.125:
        return Faults()

    def chance(most: float) -> float:
        return random.random() * most if random.random() < 0.4 else 0.0

    return Faults(
        lost_request=chance(0.5),
        lost_reply=chance(0.5),
        duplicate=chance(0.5),
        reorder=chance(0.5),
        late=chance(0.6),
        nothing=chance(0.4),
        partial=chance(0.7),
        refusal=chance(0.6),
        placed=chance(0.5),
        failed_report=chance(0.5),
        terminal_dies=chance(0.3),
        crash=chance(0.25),
        cut_at_send=chance(0.4),
        disconnects=random.randrange(1, 4) if random.random() < 0.4 else 0,
        externals=random.randrange(1, 3) if random.random() < 0.25 else 0,
        hopeless=random.random() < 0.03,
    )


def run(seed: int, machine: Machine) -> Findings:
    """What happened in the scenario of this seed."""
    random = Random(seed)
    kind = KINDS[seed % len(KINDS)]
    clock, findings, faults = Clock(), Findings(), faults_of(random)
    broker = Broker(clock, random, faults, kind.startswith("netting"), findings)
    wanted = _wanted(kind, random, broker)
    terminal = Terminal(broker, faults, random)
    engine = Engine(machine, clock, random, faults, broker, terminal, findings, wanted)
    start_ms = clock.now
    for _ in range(faults.disconnects):
        clock.after(random.randrange(1, TROUBLED_MS), engine.break_link)
    for _ in range(faults.externals):
        clock.after(random.randrange(1, TROUBLED_MS), broker.somebody_trades)
    if faults.hopeless and random.random() < 0.5:
        broker.closed_until_ms = start_ms + 2 * END_MS
    elif faults.hopeless:
        clock.after(random.randrange(1, 300), engine.break_link)
    for ticket in broker.resting:
        if random.random() < 0.5:
            clock.after(random.randrange(1, 400), broker.fill_resting, ticket)
    try:
        engine.start()
        healed = False
        while clock.now < start_ms + END_MS and _step(clock):
            if not healed and clock.now > start_ms + TROUBLED_MS:
                _heal(faults)
                healed = True
            if clock.now > start_ms + 1_000 and _over(engine, faults, clock.now - start_ms):
                break
    except AssertionError:
        findings.unexpected += 1
        return findings
    _judge(engine)
    return findings


def _wanted(kind: str, random: Random, broker: Broker) -> list[Wanted]:
    """The account as it is, and what is to be closed of it."""
    lots = random.randrange(2, 200) / 100
    broker.positions[11] = Lot(random.randrange(2), lots, "EURUSD")
    if kind == "partial" or kind == "netting_partial":
        target = random.randrange(1, int(lots * 100 + 0.5)) / 100
        return [Wanted("int_1", kind.split("_", maxsplit=1)[0], 11, target)]
    if kind in ("full", "netting"):
        return [Wanted("int_1", kind, 11)]
    other = random.randrange(2, 200) / 100
    broker.positions[12] = Lot(1 - broker.positions[11].side, other, "EURUSD")
    smaller, bigger = (11, 12) if lots <= other else (12, 11)
    pair = Wanted("int_2", "close_by", smaller, 0.0, bigger)
    rest = Wanted("int_3", "full", bigger)
    if kind == "hedging":
        return [pair, rest]
    broker.positions[13] = Lot(0, 0.3, "XAUUSD")
    broker.resting[14] = Lot(0, 0.1, "EURUSD")
    return [Wanted("int_0", "cancel", 14), Wanted("int_1", "full", 13), pair, rest]


def _step(clock: Clock) -> bool:
    try:
        return clock.step()
    except DiedError:
        return True


def _heal(faults: Faults) -> None:
    for name in vars(faults):
        if name != "hopeless":
            setattr(faults, name, 0)


def _over(engine: Engine, faults: Faults, age_ms: int) -> bool:
    """Nothing more can happen."""
    if faults.externals and age_ms < TROUBLED_MS:
        return False
    idle = engine.running and engine.up and engine.synced and not engine.broker.pending
    settled = all(order.state.value == "settled" for order in engine.orders.values())
    return idle and settled and len(engine.orders) + len(engine.over) >= len(engine.wanted)


def _judge(engine: Engine) -> None:
    """Flat, or a human knows; and without trouble, flat."""
    findings, broker = engine.findings, engine.broker
    for wanted in engine.wanted:
        order, name = engine.orders.get(wanted.intent_id), wanted.position_id
        cancel = wanted.kind == "cancel"
        lot = (broker.resting if cancel else broker.positions).get(name)
        left = lot is not None and (cancel or lot.lots > wanted.target_lots + DUST)
        if lot is None or not left:
            continue
        if order is None:
            findings.silent += wanted.intent_id not in engine.over and not engine.faults.hopeless
            continue
        told = engine.alerts.get(wanted.intent_id, set())
        others = broker.touched_ms.get(lot.symbol, 0) > 0
        if order.state.value == "settled" and not others:
            findings.silent += 1
        elif order.state.value != "settled":
            findings.silent += not told
            findings.stuck += order.state.value != "refused" and not engine.faults.hopeless
    findings.alerted += bool(engine.alerts)
