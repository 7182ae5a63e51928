import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.notify.destinations import destination, pinned, refusal
from engine.errors import AdapterError, UserError
from tests.adapters.notify.notify_house import resolver

HOSTS = ("hooks.example.com", "other.example.com:8443")


def test_an_allowed_host_is_allowed_whatever_its_case() -> None:
    place = destination("https://Hooks.Example.com./a/b?c=d", HOSTS)
    assert (place.host, place.port, place.target) == ("hooks.example.com", 443, "/a/b?c=d")
    assert destination("https://other.example.com:8443", HOSTS).target == "/"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example.com/",
        "https://hooks.example.com.evil.com/",
        "https://evil.com/hooks.example.com",
        "https://hooks.example.com@evil.com/",
        "https://user:word@hooks.example.com/",
        "https://@hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://other.example.com/",
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "//hooks.example.com/",
        "hooks.example.com",
        "https://hooks.example.com\\@evil.com/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/a\r\nX: y",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:canary/",
        "https://[::1]/",
        "https://[/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "",
    ],
)
def test_what_is_not_plainly_an_allowed_host_is_refused(url: str) -> None:
    with pytest.raises(UserError) as raised:
        destination(url, HOSTS)
    assert "canary" not in raised.value.render()
    assert raised.value.__context__ is None


def test_http_and_any_port_are_for_this_machine_only() -> None:
    place = destination("http://127.0.0.1:8080/x", (), ("127.0.0.1",))
    assert (place.loopback, place.port) == (True, 8080)
    with pytest.raises(UserError):
        destination("http://127.0.0.1:8080/x", ("127.0.0.1:8080",))


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2001:0:7f00:1::", "::7f00:1", "2001:db8::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), loopback=False) is not None


@pytest.mark.parametrize("text", ["149.154.167.220", "8.8.8.8", "2001:67c:4e8:f004::9"])
def test_public_addresses_are_allowed_and_are_not_this_machine(text: str) -> None:
    assert refusal(ipaddress.ip_address(text), loopback=False) is None
    assert refusal(ipaddress.ip_address(text), loopback=True) is not None


@given(st.ip_addresses())
def test_no_address_is_both_public_and_not_global(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if refusal(address, loopback=False) is None:
        assert address.is_global
        assert not address.is_private
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast


async def test_one_bad_address_of_several_refuses_the_name() -> None:
    place = destination("https://hooks.example.com/", HOSTS)
    resolve, asked = resolver(["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AdapterError, match="not on the public internet"):
        await pinned(place, resolve, "webhook")
    assert asked == ["hooks.example.com"]


async def test_a_name_without_an_address_may_have_one_later() -> None:
    place = destination("https://hooks.example.com/", HOSTS)
    resolve, _ = resolver([])
    with pytest.raises(AdapterError) as raised:
        await pinned(place, resolve, "webhook")
    assert raised.value.retry
