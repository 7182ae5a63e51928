"""Ids of a stream's events: what they say, how long they are, and when one is due."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.ids import AccountKey
from facade.stream_ids import ID_BYTES, SHARE, SHORT_BYTES, Ids, Position

BODY = b"x" * 400


def ids_of(count: int) -> Ids:
    return Ids([AccountKey("Demo-1", login) for login in range(count)])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2**48), min_size=1, max_size=40), st.data())
def test_an_id_says_where_every_account_is(numbers: list[int], data: st.DataObject) -> None:
    ids = ids_of(len(numbers))
    at = Position(ids, {})
    for key, number in zip(ids.keys, numbers, strict=True):
        at.move(key, data.draw(st.integers(0, number)))
        at.move(key, number)
    expected = dict(zip(ids.keys, numbers, strict=True))
    assert ids.read(at.text()) == expected
    assert ids.read(Position(ids, expected).text()) == expected
    assert ids_of(len(numbers) + 1).read(at.text()) is None


def test_what_is_no_id_says_nothing() -> None:
    ids = ids_of(2)
    good = Position(ids, {}).text()
    for wrong in ("", ".", good[:-1], good + "AA", "x" + good, "\u20ac", good.replace(".", "")):
        assert ids.read(wrong) is None


def test_a_copy_is_moved_on_by_itself() -> None:
    ids = ids_of(1)
    at = Position(ids, {})
    other = at.copy()
    other.move(ids.keys[0], 300)
    assert (ids.read(at.text()), ids.read(other.text())) == ({ids.keys[0]: 0}, {ids.keys[0]: 300})


def test_with_few_accounts_every_event_has_an_id() -> None:
    ids = ids_of(150)
    at = Position(ids, dict.fromkeys(ids.keys, 9999))
    assert all(at.id_of(ids.keys[0], 10_000 + seq, BODY) for seq in range(20))
    assert len(at.text()) <= SHORT_BYTES


def test_with_many_accounts_ids_cost_a_share_of_what_is_told_and_the_last_has_one() -> None:
    ids = ids_of(1500)
    at = Position(ids, dict.fromkeys(ids.keys, 9999))
    told = [at.id_of(ids.keys[0], 10_000 + seq, BODY) for seq in range(500)]
    spent = sum(map(len, told[1:]))
    assert 0 < spent <= 500 * len(BODY) / SHARE
    last = at.id_of(ids.keys[1], 10_000, BODY, is_last=True)
    found = ids.read(last)
    assert found is not None
    assert (found[ids.keys[0]], found[ids.keys[1]]) == (10_499, 10_000)


def test_with_too_many_accounts_an_id_says_so_in_place_of_nothing() -> None:
    ids = ids_of(10_000)
    at = Position(ids, dict.fromkeys(ids.keys, 200))
    assert at.id_of(ids.keys[0], 201, BODY) == ""
    last = at.id_of(ids.keys[0], 202, BODY, is_last=True)
    assert ids.says_too_many(last)
    assert ids.read(last) is None
    assert not ids.says_too_many(Position(ids_of(9), {}).text())
    most = Position(ids_of(2250), dict.fromkeys(ids_of(2250).keys, 9999))
    assert ID_BYTES - 10 < len(most.text()) <= ID_BYTES + 10
