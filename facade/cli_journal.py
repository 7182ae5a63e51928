"""`tidegate journal`: is a journal whole, does it make itself again, and its records as JSON."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import UserError
from facade.options import AsJson, check_outputs
from facade.progress import progress_bar

if TYPE_CHECKING:  # the program says --help without loading the engine
    from engine.journal_replay import AccountReplay

journal = typer.Typer(
    help="Verify, replay and export a journal.", no_args_is_help=True, rich_markup_mode=None
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The journal; an engine may run on it.")]


@journal.command()
def verify(
    file: File,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="NUMBER:HASH", help="A head kept elsewhere, to hold it to."),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option(
            "--anchors",
            metavar="HEADS",
            help="Heads noted by an engine (`anchor_file`), all of them.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether every row is as it was written; exit 1, and the first bad row, when not.

    Records and the inputs that made them are rows of one chain.
    """
    from facade.anchors import read_anchors
    from facade.report.numbers import count
    from facade.wiring import journal_tools

    tools = journal_tools()
    heads = [] if anchors is None else [tools.parse_head(text) for text in read_anchors(anchors)]
    if head is not None:
        heads.append(tools.parse_head(head))
        if heads[-1] is None:
            raise UserError(
                f'--head "{head}" is no head', help="write NUMBER:HASH as verify prints it"
            )
    with progress_bar("Verifying") as show:
        found = tools.verify(file, heads, show)
    held = f"as in {count(len(heads))} heads kept elsewhere; " if heads else ""
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    elif found.fault is None:
        typer.echo(
            f"{found.path}: whole: {count(found.records)} records and {count(found.entries)} inputs"
            f" of {count(found.accounts)} accounts; {held}head {found.head}"
        )
    else:
        typer.echo(f"{found.path}: NOT whole: {found.fault}")
    if found.fault is not None:
        raise typer.Exit(1)


@journal.command()
def replay(
    file: File,
    account: Annotated[
        str | None, typer.Option("--account", metavar="SERVER/LOGIN", help="This one alone.")
    ] = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            "--verdict", metavar="VERDICT", help="Up to this one, and what it was made of."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Step every kept input again from the first: the same states, the same records?

    Exit 1, and the first place that differs, when not. Records and digests are compared bit for
    bit; run the version that wrote them.
    """
    from engine.journal_replay import find_verdict, replay_account
    from facade.cli_keys import account_of
    from facade.wiring import journal_tools

    with journal_tools().reader(file) as reader, progress_bar("Replaying") as show:
        keys = reader.accounts()
        if account is not None:
            if account_of(account) not in keys:
                raise UserError(f"no account {account} in this journal", place=str(file))
            keys = [account_of(account)]
        if verdict is not None:
            found = find_verdict(verdict, keys, reader)
            if found is None:
                raise UserError(f"no verdict {verdict} in this journal", place=str(file))
            keys = [found]
        done: list[AccountReplay] = []
        for number, key in enumerate(keys, 1):
            done.append(replay_account(key, reader, verdict))
            if show is not None:
                show(number / len(keys))
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(done), indent=2))
    else:
        for one in done:
            typer.echo(_replayed(one))
    if any(one.difference is not None for one in done):
        raise typer.Exit(1)


def _replayed(one: "AccountReplay") -> str:
    from facade.report.numbers import count

    where = f"{one.server}/{one.login}"
    if one.difference is not None:
        return f"{where}: DIFFERS after {count(one.entries)} inputs: {one.difference}"
    if one.unmade:
        return f"{where}: {count(one.unmade)} records without inputs: nothing to make them from"
    said = f"{where}: {count(one.entries)} inputs make {count(one.records)} records, as they were"
    if one.verdict is not None:
        import msgspec

        said += "\n" + msgspec.json.format(msgspec.json.encode(one.verdict), indent=2).decode()
    return said


@journal.command()
def export(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="OUT.jsonl", help="What to write; else the output stream."),
    ] = None,
) -> None:
    """Write every record as a JSON object a line, in the order they were kept."""
    from engine.aside import written_aside
    from facade.report.numbers import count
    from facade.wiring import journal_tools

    check_outputs([out], [file])
    tools = journal_tools()
    if out is None:
        try:
            tools.export(file, sys.stdout.buffer)
            sys.stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough; nothing may be flushed at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    with progress_bar("Exporting") as show, written_aside(out) as lines:
        records = tools.export(file, lines, show)
    typer.echo(f"{out}: {count(records)} records")
