"""What every test may use: the shared pages beside the checkout, and how hypothesis behaves.

The suite is deterministic: the same examples each run, no clock in any verdict. `make soak` sets
TIDEGATE_SOAK=N, which draws fresh examples, N times as many, also where a test names its number.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SOAK = int(os.environ.get("TIDEGATE_SOAK", "0"))

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=not SOAK,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Multiply the examples of every property test when soaking."""
    if not SOAK:
        return
    for item in items:
        function = getattr(item, "function", None)
        own = getattr(function, "_hypothesis_internal_use_settings", None)
        if isinstance(own, settings):
            # `settings(...)` refuses to decorate twice, so the attribute it would set is set here.
            wider = settings(own, max_examples=own.max_examples * SOAK, derandomize=False)
            function._hypothesis_internal_use_settings = wider  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The pages, real ticks and worked cases that lie beside the checkout, where there are any."""
    shared = ROOT.parent / "shared"
    if not (shared / "acceptance").is_dir():
        pytest.skip(f"no {shared}: the worked cases on real ticks are not on this machine")
    return shared
