"""The page on the protocol names every frame, key, action and end code there is, and no other."""

import re

import msgspec
import pytest

from adapters.mt5 import frames
from adapters.mt5.protocol import EndCode
from engine.link import Action
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
FRAMES: tuple[type[frames.Frame], ...] = (
    frames.Hello,
    frames.Challenge,
    frames.Proved,
    frames.Welcome,
    frames.Report,
    frames.Quotes,
    frames.Position,
    frames.Deal,
    frames.Beat,
    frames.Result,
    frames.Acknowledged,
    frames.Command,
    frames.Failed,
)
NUMBERED = {"n", "gmt_msc", "login"}


def tag(frame: type[frames.Frame]) -> str:
    return str(frame.__struct_config__.tag)


def row(frame: type[frames.Frame]) -> str:
    (found,) = re.findall(rf"^\| `{tag(frame)}` \| \w+ \| (.*) \|$", PAGE, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("frame", FRAMES, ids=tag)
def test_every_key_of_a_frame_is_on_the_page(frame: type[frames.Frame]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(frame)}
    if frame not in (frames.Hello, frames.Acknowledged):
        keys -= NUMBERED
    named = set(re.findall(r"`(\w+)`", row(frame))) - {"opened", "changed", "closed"}
    assert named == keys


def test_every_frame_there_is_has_been_looked_at() -> None:
    tags = set(re.findall(r"^\| `(\w)` \|", PAGE, re.MULTILINE))
    assert {tag(frame) for frame in FRAMES} == tags


def test_every_action_and_end_code_is_on_the_page() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {*Action, *EndCode} <= named
