"""`tidegate agent`: how the engine is known. The agent itself is tested with its adapter."""

from pathlib import Path

import pytest

from tests.facade.command_line import Program


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--authority ca.pem, or --thumbprint"),
        (("--thumbprint", "ab:cd"), "no SHA-256 thumbprint"),
        (("--authority", "missing.pem"), "no usable authority"),
        (("--thumbprint", "9f" * 32), "MetaTrader5 package is not installed"),
    ],
)
def test_a_pin_or_an_authority_is_needed_and_a_pin_is_enough(
    run: Program, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    key = tmp_path / "1001.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    answer = run("agent", "--engine", "127.0.0.1:8444", "--key-file", key, *options)
    assert answer.code == 2
    assert said in answer.err
