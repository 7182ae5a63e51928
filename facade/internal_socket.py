"""The engine's side of the internal socket: where it listens, and who is let in.

A Unix socket for programs of the same user (and of users the settings list): who may open it is
the file system's to say, and the kernel is asked once more who is there. Over TCP, which listens on
the loopback address alone, a token is needed. A client that breaks a rule, does not read, or meets
a fault of ours loses its connection, and nobody else notices.
"""

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import trio

from engine.client.wire import WireError
from engine.desk import Desk
from engine.errors import UserError
from facade.internal_connection import Connection, SlowReaderError
from facade.internal_pushes import Pushes
from facade.internal_rules import Peer, Rules

CONNECTIONS = 64
LOOPBACK = "127.0.0.1"
AGAIN_S = 0.1
"""After an accept that failed: there may be a descriptor again."""
PATH_BYTES = 100
"""A little less than the kernel takes (sun_path, 108 on Linux)."""

log = structlog.get_logger("tidegate.internal")


@dataclass
class Counts:
    """What came of clients."""

    connections: int = 0
    """Now."""
    turned_away: int = 0
    """Too many, or not of a user who may."""
    cut_off: int = 0
    """Readers that did not read."""
    broken: int = 0
    """Clients that broke the rules of the wire."""


class InternalSocket:
    """`await nursery.start(InternalSocket(desk, path).serve)`."""

    def __init__(
        self, desk: Desk, path: Path, rules: Rules | None = None, port: int | None = None
    ) -> None:
        """`port`: of TCP besides; 0: any free one; needs a token in the rules."""
        self.counts = Counts()
        self.port: int | None = None
        """Where it listens on the loopback address."""
        self.pushes = Pushes(desk)
        self._desk = desk
        self._path = path
        self._rules = rules or Rules()
        self._wanted_port = port

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until it is cancelled; the socket's file goes with it.

        Raises:
            UserError: the path cannot be a socket, another engine listens there, or on the port.
        """
        assert self._wanted_port is None or self._rules.token is not None, "TCP needs a token"
        listener = trio.SocketListener(await self._bound())
        try:
            async with trio.open_nursery() as nursery:
                if self._wanted_port is not None:
                    over_tcp = await self._listen_tcp(self._wanted_port)
                    self.port = over_tcp.socket.getsockname()[1]
                    nursery.start_soon(self._accept, over_tcp, nursery, _nobody_yet)
                nursery.start_soon(self._accept, listener, nursery, self._user_of)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._path.unlink(missing_ok=True)
            listener.socket.close()

    async def _accept(
        self,
        listener: trio.SocketListener,
        nursery: trio.Nursery,
        who: Callable[[trio.SocketStream], Peer | None],
    ) -> None:
        with listener.socket:
            while True:
                try:
                    stream = await listener.accept()
                    peer = who(stream)
                except OSError as error:  # no descriptor left, or it is gone already
                    log.warning("a client could not be let in", cause=str(error))
                    self.counts.turned_away += 1
                    await trio.sleep(AGAIN_S)
                    continue
                if self.counts.connections >= CONNECTIONS or peer is None:
                    self.counts.turned_away += 1
                    await trio.aclose_forcefully(stream)
                    continue
                self.counts.connections += 1
                nursery.start_soon(partial(self._serve_one, stream, peer))

    def _user_of(self, stream: trio.SocketStream) -> Peer | None:
        """Who is at the other end, as the kernel says (SO_PEERCRED: process, user, group)."""
        size = struct.calcsize("3i")
        credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        _, user, _ = struct.unpack("3i", credentials)
        return self._rules.of_user(user)

    async def _listen_tcp(self, port: int) -> trio.SocketListener:
        try:
            [listener] = await trio.open_tcp_listeners(port, host=LOOPBACK)
        except OSError as error:
            place = f"{LOOPBACK}:{port}"
            raise UserError(f"cannot listen there: {error.strerror}", place=place) from error
        return listener

    async def _bound(self) -> trio.socket.SocketType:
        path = str(self._path)
        if len(os.fsencode(path)) > PATH_BYTES:
            raise UserError("the path of the internal socket is too long", place=path)
        if self._path.exists():
            if not self._path.is_socket():
                raise UserError("this is a file, and no socket", place=path)
            try:
                stream = await trio.open_unix_socket(path)
            except OSError:
                self._path.unlink()  # of an engine that was killed
            else:
                await trio.aclose_forcefully(stream)
                raise UserError("another engine listens there", place=path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        made = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Other users can only be listed where its group lets them open it.
        before = os.umask(0o117 if self._rules.users else 0o177)
        try:
            await made.bind(path)
        except OSError as error:
            made.close()
            raise UserError(f"cannot listen there: {error.strerror}", place=path) from error
        finally:
            os.umask(before)
        made.listen(CONNECTIONS)
        return made

    async def _serve_one(self, stream: trio.SocketStream, peer: Peer) -> None:
        try:
            await Connection(self._desk, stream, self._rules, peer, self.pushes).run()
        except SlowReaderError:
            self.counts.cut_off += 1
            log.warning("a reader was cut off: it does not read", client=peer.name)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except WireError as error:
            self.counts.broken += 1
            log.warning("a client broke the rules", client=peer.name, cause=str(error))
        except Exception:
            log.exception("a client met a fault of ours", client=peer.name)
        finally:
            self.counts.connections -= 1
            await trio.aclose_forcefully(stream)


def _nobody_yet(_stream: trio.SocketStream) -> Peer:
    """Over TCP nobody is anybody before a token was shown."""
    return Peer("")
