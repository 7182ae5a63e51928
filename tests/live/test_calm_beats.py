"""A heartbeat taken the short way makes of the account what a whole step makes of it."""

from dataclasses import dataclass, field

from hypothesis import event as seen
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.calm_beats import calm_beat
from engine.domain.commands import Flatten, Register
from engine.domain.events import QuoteMarked
from engine.domain.intents import Intent
from engine.domain.journaled import leaves_watch
from engine.domain.link_events import HeartbeatCame, LinkLost, WentSilent
from engine.domain.positions import Side
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.reports import Heartbeat
from engine.domain.step import Step, obey, step
from tests.live.live_account import DAILY, START_MSC, Account, deal, held
from tests.live.live_house import trailing

OPENED = 1.0930


@dataclass
class Beaten(Account):
    """A lot of EURUSD, or none, on a balance of 10,000; every heartbeat is compared both ways."""

    now_msc: int = START_MSC
    bid: float = OPENED
    balance: float = 10_000.0
    lots: float = 1.0
    calm: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(trailing(percent=4.9), DAILY)
        self.link(START_MSC)
        self.told_again()

    def told_again(self) -> None:
        holds = [held(self.lots, self.now_msc)] if self.lots else []
        self.report(self.now_msc, self.balance, *holds)

    @property
    def equity(self) -> float:
        return round(self.balance + (self.bid - OPENED) * self.lots * 100_000, 2)

    def quotes(self) -> dict[str, Quote]:
        return {"EURUSD": Quote(self.bid, self.bid, self.now_msc)}

    def beat(self, more: float, money: float) -> None:
        self.now_msc += 1_000
        beat = Heartbeat(
            balance=round(self.balance + money, 2),
            credit=0.0,
            equity=round(self.equity + more, 2),
            margin=0.0,
            digest="",
        )
        event = HeartbeatCame(time_msc=self.now_msc, heartbeat=beat, quotes=self.quotes())
        calm = calm_beat(self.state, beat, self.now_msc, self.quotes())
        self.calm.append(calm is not None)
        whole = step(self.state, event)
        if calm is not None:
            assert calm == whole
            assert leaves_watch(self.state, event, calm)
        self.take(event)

    def tick(self, pips: int) -> None:
        self.now_msc += 10
        self.bid = round(self.bid + pips / 10_000, 4)
        tick = Tick(index=0, symbol="EURUSD", bid=self.bid, ask=self.bid)
        self.take(QuoteMarked(self.now_msc, tick, self.quotes()))

    def closed(self) -> None:
        if self.lots:
            gained = round((self.bid - OPENED) * self.lots * 100_000, 2)
            self.now_msc += 10
            self.take(deal(gained, self.lots, self.now_msc, price=self.bid))
            self.balance, self.lots = round(self.balance + gained, 2), 0.0

    def meant(self, lasts_ms: int) -> None:
        intent = Intent(
            intent_id="mean",
            symbol="EURUSD",
            side=Side.BUY,
            volume_lots=1.0,
            registered_at_msc=self.now_msc,
            expires_at_msc=self.now_msc + lasts_ms,
        )
        self.told_to(Register(self.now_msc, "trader", intent))

    def told_to(self, command: Register | Flatten) -> None:
        done = obey(self.state, command)
        if isinstance(done, Step):
            self.state = done.state


BEATS = st.tuples(
    st.sampled_from([0.0, 0.0, 0.0, 0.01, -3.0, 400.0, -6_000.0]),
    st.sampled_from([0.0, 0.0, 0.0, 25.0]),
)
DONE = st.lists(
    st.one_of(
        BEATS.map(lambda told: ("beat", *told)),
        st.sampled_from([-30, -2, 1, 5]).map(lambda pips: ("tick", pips)),
        st.sampled_from([("closed",), ("told_again",), ("silent",), ("lost",), ("flatten",)]),
        st.sampled_from([500, 60_000]).map(lambda ms: ("meant", ms)),
    ),
    max_size=25,
)


def made(account: Beaten, done: list[tuple[object, ...]]) -> None:
    for name, *more in done:
        match name:
            case "silent":
                account.take(WentSilent(time_msc=account.now_msc))
            case "lost":
                account.take(LinkLost(time_msc=account.now_msc, cause="broken"))
                account.link(account.now_msc)
            case "flatten":
                account.told_to(Flatten(account.now_msc, "trader", "enough"))
            case _:
                getattr(account, str(name))(*more)


@given(DONE)
@settings(deadline=None, max_examples=300)
def test_the_short_way_ends_where_the_whole_step_does(done: list[tuple[object, ...]]) -> None:
    account = Beaten()
    made(account, done)
    seen(f"calm: {any(account.calm)}, not: {not all(account.calm)}")


def test_an_ordinary_heartbeat_goes_the_short_way_and_any_other_does_not() -> None:
    for more, money in ((0.0, 0.0), (400.0, 0.0), (0.0, 25.0)):
        account = Beaten()
        account.beat(0.0, 0.0)  # the first leaves the terminal its floor
        account.beat(0.0, 0.0)
        account.beat(more, money)
        assert account.calm[1:] == [True, (more, money) == (0.0, 0.0)]
