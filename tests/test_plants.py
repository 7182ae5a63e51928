"""The list of planted bugs keeps up with the code; `python tests/plant_bugs.py` runs them."""

import ast

import pytest

from tests.plant_bugs import BUGS, ROOT, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_fits_the_code_as_it_is(bug: Bug) -> None:
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1
    ast.parse(text.replace(bug.old, bug.new))
    assert bug.old != bug.new
    assert all((ROOT / test).exists() for test in bug.tests)
