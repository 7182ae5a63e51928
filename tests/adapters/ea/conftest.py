"""The compiled expert, once for all its tests."""

from pathlib import Path

import pytest

from tests.adapters.ea import expert


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The expert advisor in a fake terminal, as a program."""
    return expert.build(tmp_path_factory.mktemp("expert"))
