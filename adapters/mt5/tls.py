"""A TLS connection over a socket, pumped by hand with the standard library's `ssl`.

Trio's own `SSLStream` gives one record at a time and can only write from a task that waits. A
terminal's frame is a record, and a close has no time to wait until a task has its turn: here a
reader gets all that has come, and `send_nowait` writes at once what the socket takes.
"""

import socket
import ssl
from contextlib import suppress

import trio

READ_BYTES = 65_536
_GONE = (ssl.SSLZeroReturnError, ssl.SSLEOFError)


class TlsChannel:
    """One task may receive, one may wait for the flush; `send_nowait` is for any."""

    def __init__(
        self, stream: trio.SocketStream, context: ssl.SSLContext, *, server_hostname: str = ""
    ) -> None:
        """Takes the stream's socket over: the stream is of no use any more.

        Args:
            server_hostname: of a client: whom the certificate must name. Empty: a server.
        """
        plain = stream.socket
        self._socket = socket.socket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._socket.settimeout(0.0)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=not server_hostname,
            server_hostname=server_hostname or None,
        )
        self._unsent = bytearray()
        self._is_over = False
        """Nothing more comes."""
        self._is_drained = False
        """All that has come was read; not so with what comes at the end of the handshake."""

    @property
    def unsent_bytes(self) -> int:
        """Encrypted and not yet taken by the socket."""
        return len(self._unsent)

    def fileno(self) -> int:
        """Of the socket; -1 once it is closed."""
        return self._socket.fileno()

    async def do_handshake(self) -> None:
        """Returns when both sides have agreed.

        Raises:
            trio.BrokenResourceError: they have not: the certificate, the version, or it hung up.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                if not await self._feed():
                    raise trio.BrokenResourceError("hung up in the handshake") from None
            except (ssl.SSLError, ssl.CertificateError) as error:
                self._push()  # the alert that says why
                raise trio.BrokenResourceError(str(error)) from error
            else:
                await self.flush()
                return

    async def receive(self) -> bytes:
        """All that has come, at least a byte; empty once the other side has ended. A checkpoint.

        An end without TLS's own farewell counts as an end: half the world's clients leave so.

        Raises:
            trio.BrokenResourceError: the connection broke, or what came is no TLS.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._is_over:
            if self._is_drained:
                await self._feed()
            told = self._decrypted()
            if told:
                return told
        return b""

    def send_nowait(self, message: bytes | bytearray) -> bool:
        """Takes all of it and sends what the socket takes at once; False: `flush` is to be awaited.

        Raises:
            trio.BrokenResourceError: the connection broke.
        """
        try:
            self._tls.write(message)
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(str(error)) from error
        return self._push()

    async def send_all(self, message: bytes | bytearray) -> None:
        """The same, waiting until all is sent, what went before included."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if message:
            self.send_nowait(message)
        await self.flush()

    async def flush(self) -> None:
        """Returns when the socket has taken everything."""
        while not self._push():
            await trio.lowlevel.wait_writable(self._socket)

    async def hang_up(self, most_bytes: int) -> None:
        """Says farewell, and reads on until the other side has closed too, or has sent so much.

        Closing on unread bytes resets a connection, and the other side may lose the last word.

        Raises:
            trio.BrokenResourceError: it is broken already.
        """
        with suppress(ssl.SSLError):  # the other side has not said farewell yet: it need not
            self._tls.unwrap()
        await self.flush()
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error
        while most_bytes > 0 and (chunk := await self._chunk()):
            most_bytes -= len(chunk)

    async def aclose(self) -> None:
        """Closes at once; whoever waits on it is told so."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()

    async def _feed(self) -> bool:
        """Waits for bytes of the other side; False: none come any more."""
        chunk = await self._chunk()
        if chunk:
            self._incoming.write(chunk)
        else:
            self._incoming.write_eof()
        return bool(chunk)

    async def _chunk(self) -> bytes:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error

    def _decrypted(self) -> bytes:
        told = bytearray()
        self._is_drained = True
        try:
            while record := self._tls.read(READ_BYTES):
                told += record
                if not self._incoming.pending and not self._tls.pending():
                    break  # to be told so by an exception costs as much as the reading
            else:
                self._is_over = True
        except ssl.SSLWantReadError:
            pass
        except _GONE:
            self._is_over = True
        except ssl.SSLError as error:
            self._is_over = True
            if not told:
                self._push()
                raise trio.BrokenResourceError(str(error)) from error
        if self._outgoing.pending:
            self._push()  # an answer of TLS's own; what does not go out now goes with the next
        return bytes(told)

    def _push(self) -> bool:
        if self._outgoing.pending:
            self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                sent = self._socket.send(self._unsent)
            except BlockingIOError:
                return False
            except OSError as error:
                raise trio.BrokenResourceError(str(error)) from error
            del self._unsent[:sent]
        return True
