"""The made-up sample: the same for the same seed, open when markets are, jumping when told."""

from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.tick_files.front import open_ticks
from adapters.tick_files.inspect import inspect
from adapters.tick_files.sessions import is_open
from adapters.tick_files.synthesize import SYMBOLS, News, synthesize
from engine.errors import UserError
from engine.marking.ticks import TickBatch

NEW_YORK = ZoneInfo("America/New_York")


def columns(path: Path | str) -> TickBatch:
    (batch,) = open_ticks([("S", [Path(path)])]).batches(1 << 24)
    return batch


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    synthesize(folder, symbols=(*SYMBOLS, "EURJPY"), days=3, seed=7, ticks_per_day=20_000)
    return folder


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    def files(name: str, seed: int, **options: object) -> dict[str, bytes]:
        folder = tmp_path / name
        folder.mkdir()
        synthesize(folder, days=1, seed=seed, ticks_per_day=500, **options)  # type: ignore[arg-type]
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    first = files("a", 7)
    assert files("b", 7) == first
    other = files("c", 8)
    assert all(other[name] != content for name, content in first.items())
    alone = files("d", 7, symbols=("XAUUSD",))
    assert alone["XAUUSD.synthetic.ticks"] == first["XAUUSD.synthetic.ticks"]


def test_no_row_of_it_is_bad_and_every_file_says_it_is_made_up(sample: Path) -> None:
    paths = sorted(sample.iterdir())
    assert [path.name for path in paths] == sorted(
        f"{symbol}.synthetic.ticks" for symbol in (*SYMBOLS, "EURJPY")
    )
    for path in paths:
        seen = inspect(path)
        assert seen.invalid_rows == 0
        assert seen.rows == pytest.approx(60_000, rel=0.1)
        assert seen.equal_times > 0
        assert seen.synthetic is not None
        assert "seed 7" in seen.synthetic


def test_it_ticks_only_while_the_fx_week_is_open_and_has_a_weekend_in_it(sample: Path) -> None:
    path = sample / "EURUSD.synthetic.ticks"
    assert all(is_open(msc // 1000) for msc in columns(path).time_msc.tolist()[::50])
    seen = inspect(path, gap_s=250.0)
    assert [gap.closed for gap in seen.gaps] == [True, False]  # the weekend, a daily break
    assert seen.gaps[0].seconds > 47 * 3_600
    assert seen.suspected_zone == ()


def test_the_news_jump_is_one_tick_of_the_size_asked(tmp_path: Path) -> None:
    def steps(name: str, size_bps: float) -> dict[str, tuple[float, datetime]]:
        folder = tmp_path / name
        folder.mkdir()
        news = News(size_bps=size_bps, at=time(10, 0))
        made = synthesize(
            folder, days=1, seed=3, start=date(2026, 3, 4), ticks_per_day=9_000, news=news
        )
        found = {}
        for file in made:
            batch = columns(file.path)
            middle = (batch.bid + batch.ask) / 2
            change = np.diff(middle) / middle[:-1] * 1e4
            at = int(np.abs(change).argmax()) + 1
            moment = datetime.fromtimestamp(int(batch.time_msc[at]) / 1000, NEW_YORK)
            found[file.symbol] = (float(change[at - 1]), moment)
        return found

    small, large = steps("small", 40.0), steps("large", 120.0)
    assert large["XAUUSD"][0] == pytest.approx(-120, abs=6)
    assert small["XAUUSD"][0] == pytest.approx(-40, abs=6)
    assert large["EURUSD"][0] == pytest.approx(-48, abs=6)
    assert large["USDJPY"][0] == pytest.approx(60, abs=6)  # the dollar gains against yen too
    for _, moment in large.values():
        assert (moment.hour, moment.minute) == (10, 0)
    none = steps("none", 0.0)
    assert abs(none["XAUUSD"][0]) < 20


def test_symbols_move_together_and_crosses_are_consistent(sample: Path) -> None:
    grid = None
    paths = {}
    for symbol in ("EURUSD", "GBPUSD", "USDJPY", "EURJPY"):
        batch = columns(sample / f"{symbol}.synthetic.ticks")
        grid = np.arange(batch.time_msc[0] + 600_000, batch.time_msc[-1], 60_000)
        at = np.searchsorted(batch.time_msc, grid, side="right") - 1
        paths[symbol] = ((batch.bid + batch.ask) / 2)[at]
    length = min(len(path) for path in paths.values())
    euro, pound, yen, cross = (path[:length] for path in paths.values())
    minutes = np.diff(np.log(np.stack([euro, pound])))
    assert np.corrcoef(minutes)[0, 1] > 0.3
    assert np.abs(euro * yen / cross - 1).max() < 3e-3
    assert np.median(np.abs(euro * yen / cross - 1)) < 2e-4


def test_the_market_is_livelier_and_dearer_at_its_hours(sample: Path) -> None:
    batch = columns(sample / "EURUSD.synthetic.ticks")
    hours = np.array(
        [datetime.fromtimestamp(msc / 1000, NEW_YORK).hour for msc in batch.time_msc.tolist()]
    )
    assert (hours == 9).sum() > 2 * (hours == 18).sum()
    spread = batch.ask - batch.bid
    assert np.median(spread[hours == 16]) > 1.2 * np.median(spread[hours == 12])


def test_mt5_tsv_holds_the_same_ticks(tmp_path: Path) -> None:
    options = {"symbols": ("XAUUSD",), "days": 1, "seed": 2, "ticks_per_day": 300}
    (kept,) = synthesize(tmp_path, **options)  # type: ignore[arg-type]
    (text,) = synthesize(tmp_path, to="mt5-tsv", **options)  # type: ignore[arg-type]
    assert text.path.endswith("XAUUSD.synthetic.tsv")
    one, two = columns(kept.path), columns(text.path)
    assert (one.time_msc == two.time_msc).all()
    assert (one.bid == two.bid).all()
    assert (one.ask == two.ask).all()


@pytest.mark.parametrize(
    "options",
    [
        {"symbols": ("BTCUSD",)},
        {"symbols": ("EUREUR",)},
        {"days": 0},
        {"seed": -1},
        {"ticks_per_day": 0},
        {"to": "parquet"},
        {"news": News(day=9)},
        {"news": News(size_bps=1e9)},
    ],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    tmp_path: Path, options: dict[str, object]
) -> None:
    arguments = {"days": 1, "ticks_per_day": 100, **options}
    with pytest.raises(UserError):
        synthesize(tmp_path, **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
