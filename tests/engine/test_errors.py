"""How errors look to the person who must mend something."""

from engine.errors import AdapterError, OutsideError, UserError


def test_an_error_shows_only_what_it_has() -> None:
    assert UserError("no book is named").render() == "error: no book is named"
    assert UserError("bad row", place="a.csv, row 3", help="ask above bid").render() == (
        "error: bad row\n  --> a.csv, row 3\nhelp: ask above bid"
    )
    assert UserError("odd", place="a.toml:3", path="x[0].y", source="y = 1").render() == (
        "error: odd\n  --> a.toml:3   x[0].y\n   |  y = 1"
    )


def test_an_error_as_text_names_its_place() -> None:
    assert str(UserError("odd", place="a.toml:3", path="x[0].y")) == "odd (a.toml:3  x[0].y)"
    assert str(UserError("odd")) == "odd"


def test_an_adapters_error_says_which_system_and_whether_to_try_again() -> None:
    error = AdapterError("no answer", system="broker", retry=True)
    assert isinstance(error, OutsideError)
    assert str(error) == "broker: no answer"
    assert error.retry
