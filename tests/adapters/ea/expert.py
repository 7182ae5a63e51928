"""The expert advisor compiled as C++, and a run of it as a process the tests talk to."""

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.adapters.mt5.link_house import LONG_S
from tests.adapters.mt5.link_samples import KEY

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[2] / "adapters" / "mt5" / "ea"
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror")
SECONDS = 120

# `const uchar &bytes[]` -> `const array<uchar> &bytes`: C++ has no dynamic array of that spelling.
ARRAY = re.compile(r"\b(\w+)\s+(&?)(\w+)\[\]")
PROPERTY = re.compile(r"^#property", re.MULTILINE)


def missing() -> str | None:
    """Why the expert cannot be compiled here; None where it can."""
    compiler = shutil.which("g++")
    if compiler is None:
        return "g++ is not installed"
    probe = "#include <openssl/ssl.h>\n"
    done = subprocess.run([compiler, "-E", "-x", "c++", "-"], input=probe.encode(), check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    return None if done.returncode == 0 else "the headers of OpenSSL are not installed"


WHY_NOT = missing()


def translated(source: str) -> str:
    """MQL5 as C++, line by line: dynamic arrays become a template, properties comments."""
    return PROPERTY.sub("//#property", ARRAY.sub(r"array<\1> \2\3", source))


def write_translated(folder: Path) -> None:
    """Every source file, translated, the program itself as Tidegate.cpp."""
    for path in sorted(SOURCE.glob("*.mq[h5]")):
        name = path.name.replace(".mq5", ".cpp")
        (folder / name).write_text(translated(path.read_text("utf-8")), "utf-8")


def compiled(folder: Path, main: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the compiler says of a main file that includes the translated expert."""
    includes = ["-I", str(folder), "-I", str(HERE)]
    return subprocess.run(
        ["g++", *FLAGS, *includes, str(main), *options, "-lssl", "-lcrypto"],
        capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip


def build(folder: Path) -> Path:
    """The expert in its fake terminal, as a program."""
    write_translated(folder)
    program = folder / "terminal"
    done = compiled(folder, HERE / "terminal_main.cpp", "-O1", "-o", str(program))
    assert done.returncode == 0, done.stderr
    return program


@dataclass
class Expert:
    """A running terminal."""

    run: trio.Process
    said: list[str] = field(default_factory=list)
    _more: trio.Event = field(default_factory=trio.Event)

    async def tell(self, *lines: str) -> None:
        """Makes these things happen in the terminal's world, and waits until they have."""
        assert self.run.stdin is not None
        wanted = Counter(f"done {line}" for line in lines)
        waits = {line: self.count(line, whole=True) + times for line, times in wanted.items()}
        await self.run.stdin.send_all("".join(f"{line}\n" for line in lines).encode())
        for line, times in waits.items():
            await self.until(line, times, whole=True)

    async def listen(self) -> None:
        assert self.run.stdout is not None
        rest = b""
        async for chunk in self.run.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            self.said += [line.decode() for line in lines]
            self._more.set()
            self._more = trio.Event()

    def count(self, text: str, *, whole: bool = False) -> int:
        """Lines that begin so, or are this."""
        return sum(line == text if whole else line.startswith(text) for line in self.said)

    def orders(self) -> list[str]:
        """Requests that reached the broker."""
        return [line for line in self.said if line.startswith("order ")]

    async def until(
        self, text: str, times: int = 1, seconds: float = LONG_S, *, whole: bool = False
    ) -> None:
        """Returns when so many lines that begin so were said."""
        with trio.move_on_after(seconds) as scope:
            while self.count(text, whole=whole) < times:
                await self._more.wait()
        assert not scope.cancelled_caught, f"{text!r} not {times} times in {self.said}"

    def kill(self) -> None:
        self.run.kill()


@asynccontextmanager
async def running(
    program: Path, files: Path, engine: str, thumbprints: str, **settings: str
) -> AsyncIterator[Expert]:
    """The terminal with the expert on its chart; killed at the end."""
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "FILES_DIR": str(files),
        "ENGINE": engine,
        "THUMBPRINTS": thumbprints,
        "TERMINAL_KEY": KEY.reveal().hex(),
        "SILENT_S": "5",
        **settings,
    }
    async with trio.open_nursery() as nursery:
        run = await trio.lowlevel.open_process(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        expert = Expert(run)
        nursery.start_soon(expert.listen)
        try:
            yield expert
        finally:
            run.kill()
            with trio.CancelScope(shield=True):
                await run.wait()
            nursery.cancel_scope.cancel()
