"""The program's start: it runs only where its three packages are its own."""

import sys
from pathlib import Path

import pytest

from facade import __main__ as program


def test_our_packages_are_ours() -> None:
    assert program.foreign_package() is None


def test_a_package_of_our_name_from_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").write_text("")
    for name in [name for name in sys.modules if name.split(".")[0] == "adapters"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert program.main(["--version"]) == 2
    assert "`adapters` is another distribution's" in capsys.readouterr().err
