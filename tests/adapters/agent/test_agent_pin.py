"""The agent knows the engine by the thumbprint of its certificate, and says nothing to another."""

import time
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from adapters.mt5.agent import Agent, AgentSettings
from adapters.mt5.certificates import pin_of, pinning_context, thumbprint_of
from engine.errors import UserError
from tests.adapters.agent.stand_in import OFFSET_S, StandIn
from tests.adapters.mt5.link_house import LONG_S, House, house
from tests.adapters.mt5.link_samples import ACCOUNT, KEY


async def shown(open_house: House) -> str:
    """SHA-256 of the certificate the gateway shows."""
    async with open_house.knock() as stream:
        tls = trio.SSLStream(stream, pinning_context(), server_hostname="127.0.0.1")
        await tls.do_handshake()
        return sha256(tls.getpeercert(binary_form=True)).hexdigest()


def agent(open_house: House, tmp_path: Path, *pins: str) -> Agent:
    settings = AgentSettings(
        host="127.0.0.1",
        port=open_house.port,
        tls=pinning_context(),
        pins=frozenset(map(pin_of, pins)),
        server_hostname="engine.example",  # not what the certificate says: the pin alone decides
        key=KEY,
        state=tmp_path,
        period_s=0.01,
        settle_s=0.0,
        gmt_offset_s=OFFSET_S,
    )
    return Agent(StandIn(time.time()), settings)


async def test_the_pinned_certificate_is_taken_whatever_signed_it(tmp_path: Path) -> None:
    async with house() as open_house, trio.open_nursery() as nursery:
        pin = await shown(open_house)
        nursery.start_soon(agent(open_house, tmp_path, "00" * 32, pin).run)
        assert (await open_house.sink.until("reported"))[0][0] == ACCOUNT
        nursery.cancel_scope.cancel()


async def test_a_certificate_that_is_not_pinned_hears_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house() as open_house, trio.open_nursery() as nursery:
        pin = await shown(open_house)
        wrong = agent(open_house, tmp_path, "00" * 32)
        nursery.start_soon(wrong.run)
        with trio.fail_after(LONG_S):
            while len(wrong.ends) < 2:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert set(wrong.ends) == {"not_pinned"}
    assert open_house.sink.calls == []
    assert pin_of(pin) in caplog.text, "so that it can be compared"


def test_a_thumbprint_is_read_as_it_is_shown_anywhere() -> None:
    plain = thumbprint_of(b"a certificate")
    colons = ":".join(plain[at : at + 2] for at in range(0, 64, 2))
    assert {pin_of(plain), pin_of(colons.lower()), pin_of(f" {plain} ")} == {plain}
    assert thumbprint_of(None) == ""


@pytest.mark.parametrize("text", ["", "ab" * 20, "xy" * 32, "ab" * 33])
def test_what_is_no_sha_256_thumbprint_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no SHA-256 thumbprint"):
        pin_of(text)
