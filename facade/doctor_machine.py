"""What `tidegate doctor` can say of the machine whatever the settings: clock, limits, zones."""

import ctypes
import os
import resource
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zoneinfo import TZPATH

from facade import systemd
from facade.doctor import Finding
from facade.settings_keys import SettingsKeys

_FILES_BESIDE = 64
"""Of journal, log, sockets and libraries."""
_TIMEX_BYTES = 512
"""More than `struct timex` has on any Linux (208 on 64 bits)."""
_TIME_ERROR = 5


def look_around(keys: SettingsKeys) -> Iterator[Finding]:
    """Every row about the machine."""
    yield clock()
    yield files(keys)
    yield zones()
    yield supervision()


def clock() -> Finding:
    """Whether the kernel holds its clock for disciplined: adjtimex(2), TIME_ERROR."""
    unknown = "how far it is from a broker's shows only when a terminal links"
    state = _clock_state()
    if state is None:
        return Finding("clock", "warning", f"cannot be asked here; {unknown}")
    if state == _TIME_ERROR:
        said = f"the kernel says that nothing disciplines it; {unknown}"
        return Finding("clock", "warning", said, "run chrony or systemd-timesyncd")
    return Finding("clock", "ok", f"disciplined, says the kernel; {unknown}")


def _clock_state() -> int | None:
    try:
        asked = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if asked < 0 else int(asked)


def files(keys: SettingsKeys) -> Finding:
    """Whether so many connections can be open at once."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = keys.link.connections + _FILES_BESIDE
    wanted += keys.http.max_connections if keys.http.enabled else 0
    said = f"{soft} open files are allowed, {wanted} may be wanted"
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return Finding("open files", "ok", said)
    help_text = f"LimitNOFILE={wanted} in the unit, or ulimit -n, or fewer [link] connections"
    return Finding("open files", "warning", said, help_text)


def zones() -> Finding:
    """Which rules of time zones are used: the system's go before the package's."""
    for folder in TZPATH:
        path = Path(folder) / "tzdata.zi"
        try:
            with path.open(encoding="ascii", errors="replace") as lines:
                first = lines.readline().strip().removeprefix("# version ")
        except OSError:
            if (Path(folder) / "UTC").exists():
                return Finding("time zones", "ok", f"the system's, of unknown age, in {folder}")
            continue
        return Finding("time zones", "ok", f"the system's, {first}")
    try:
        return Finding("time zones", "ok", f"the package tzdata {version('tzdata')}")
    except PackageNotFoundError:
        return Finding("time zones", "failed", "there are none", "install tzdata")


def supervision() -> Finding:
    """Whether somebody restarts it and feeds on its watchdog."""
    if os.environ.get("NOTIFY_SOCKET"):
        period_s = systemd.watchdog_s()
        if period_s is None:
            said = "started by systemd, which does not watch it"
            return Finding("systemd", "warning", said, "WatchdogSec=10 in the unit")
        return Finding("systemd", "ok", f"started by systemd, watched every {period_s:g} s")
    said = "not asked from inside the unit: whether one restarts it cannot be seen"
    return Finding("systemd", "ok", said, "docs/examples/tidegate.service")
