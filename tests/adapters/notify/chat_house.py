"""Accounts to ask about, and what remembers what was asked of them."""

from dataclasses import dataclass, field

from engine.audit import AuditEntry
from engine.domain.commands import Flatten, Halt, Refused
from engine.domain.guard_views import GuardView
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.domain.snapshot import PositionView, Quality, Snapshot


def position(position_id: int, volume_lots: float = 1.4) -> PositionView:
    return PositionView(
        position_id=position_id,
        ticket=position_id,
        symbol="EURUSD",
        side="buy",
        volume_lots=volume_lots,
        open_price=1.1,
        current_price=1.2,
        profit=10.0,
        swap=0.0,
        stop_loss=None,
        take_profit=None,
        opened_at_msc=None,
        magic=0,
        comment="",
    )


def guard(name: str = "daily_loss", *, warned: bool = False, breached: bool = False) -> GuardView:
    return GuardView(
        name=name,
        kind="equity_limit",
        action="close",
        warned=warned,
        breached=breached,
        breached_at_msc=None,
        close_due_msc=None,
        evaluated_at_msc=None,
        reference=100_000.0,
        floor=95_000.0,
        distance=597.45,
        used_percent=88.051,
        warn_percent=75.0,
        floor_after_reset=None,
        next_reset_msc=None,
        age_ms=200,
    )


def snapshot(key: AccountKey, **changed: object) -> Snapshot:
    fields: dict[str, object] = {
        "server": key.server,
        "login": key.login,
        "currency": "USD",
        "mode": "guard",
        "seq": 1,
        "feed_version": 1,
        "time_msc": 0,
        "quality": Quality.KNOWN,
        "reason": None,
        "age_ms": 200,
        "balance": 100_000.0,
        "credit": 0.0,
        "initial": 100_000.0,
        "equity": 97_093.30,
        "profit": -2906.70,
        "margin": None,
        "free_margin": None,
        "margin_level": None,
        "equity_high_water": 100_000.0,
        "drawdown": None,
        "drawdown_percent": None,
        "max_drawdown": 0.0,
        "max_drawdown_percent": 0.0,
        "max_drawdown_time_msc": None,
        "ticks": 1,
        "halts": (),
        "nearest_guard": "daily_loss",
        "room": 597.45,
        "room_percent": 11.949,
        "positions": (position(1), position(2), position(3)),
        "guards": (guard(),),
    }
    return Snapshot(**{**fields, **changed})  # type: ignore[arg-type]


@dataclass
class Desk:
    """`Operations` over a few accounts."""

    accounts: dict[AccountKey, Snapshot]
    verdicts: dict[AccountKey, Record] = field(default_factory=dict)
    refusals: dict[AccountKey, Refused | Exception] = field(default_factory=dict)
    commands: list[tuple[AccountKey, Halt | Flatten]] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)
    audit_fails: bool = False

    def keys(self) -> list[AccountKey]:
        return list(self.accounts)

    def snapshot(self, key: AccountKey) -> Snapshot:
        return self.accounts[key]

    async def last_verdict(self, key: AccountKey) -> Record | None:
        return self.verdicts.get(key)

    async def command(self, key: AccountKey, command: Halt | Flatten) -> Refused | None:
        answer = self.refusals.get(key)
        if isinstance(answer, Exception):
            raise answer
        self.commands.append((key, command))
        return answer

    async def audit(self, entry: AuditEntry) -> None:
        if self.audit_fails:
            raise OSError("canary")
        self.entries.append(entry)


def desk_of(*logins: int, server: str = "Demo-1") -> Desk:
    keys = [AccountKey(server, login) for login in logins]
    return Desk({key: snapshot(key) for key in keys})
