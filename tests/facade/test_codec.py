"""Records as JSON, encoded once."""

import json

from engine.domain import records
from facade.codec import encode_record
from tests.engine.alert_desk import record


def test_a_record_of_the_same_number_in_another_journal_is_its_own() -> None:
    halted = record(records.AccountHalted, cause="first")
    other = record(records.AccountHalted, cause="second")
    assert (halted.seq, halted.login) == (other.seq, other.login)
    assert json.loads(encode_record(halted))["cause"] == "first"
    assert json.loads(encode_record(other))["cause"] == "second"


def test_an_equal_record_is_not_encoded_again() -> None:
    once = encode_record(record(records.AccountHalted, cause="first"))
    assert encode_record(record(records.AccountHalted, cause="first")) is once
