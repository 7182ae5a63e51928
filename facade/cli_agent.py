"""`tidegate agent`: the terminal link from Python, beside a Windows terminal."""

from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UserError


def agent(
    engine: Annotated[str, typer.Option("--engine", metavar="HOST:PORT", help="Where it listens.")],
    key_file: Annotated[
        Path, typer.Option("--key-file", help="The terminal's key, as `keys add` printed it.")
    ],
    authority: Annotated[
        Path | None,
        typer.Option("--authority", help="The engine's ca.pem: what it signed is taken."),
    ] = None,
    thumbprint: Annotated[
        list[str] | None,
        typer.Option(
            "--thumbprint", help="SHA-256 of the engine's certificate, and no other is taken."
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option("--state", help="Directory for what must outlive a restart.")
    ] = Path("agent"),
    login: Annotated[int | None, typer.Option("--login", help="Refuse another account.")] = None,
    server_name: Annotated[
        str | None, typer.Option("--server-name", help="Refuse another broker server.")
    ] = None,
    poll_ms: Annotated[int, typer.Option("--poll-ms", min=10, max=5000)] = 100,
    terminal_path: Annotated[
        str | None, typer.Option("--terminal-path", help="terminal64.exe, where there are several.")
    ] = None,
    gmt_offset: Annotated[
        int | None,
        typer.Option("--gmt-offset", help="Server's clock minus UTC, s; else from fresh ticks."),
    ] = None,
    magic: Annotated[int, typer.Option("--magic", help="Of the agent's own orders.")] = 0,
    hostname: Annotated[
        str | None, typer.Option("--hostname", help="As the certificate names the engine.")
    ] = None,
) -> None:
    """Link a terminal on this Windows machine to an engine, over the MetaTrader5 package."""
    from facade import logs
    from facade.cli_serve import run_plainly
    from facade.wiring import agent_of

    host, colon, port = engine.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise UserError(f"`{engine}` is no address", help="write HOST:PORT")
    logs.configure("info", "text")
    made = agent_of(
        host,
        int(port),
        key_file,
        authority=authority,
        pins=thumbprint or (),
        state=state,
        login=login,
        server=server_name,
        period_s=poll_ms / 1000.0,
        terminal_path=terminal_path,
        gmt_offset_s=gmt_offset,
        magic=magic,
        server_hostname=hostname,
    )
    run_plainly(made.run)
