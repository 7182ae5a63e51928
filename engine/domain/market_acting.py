"""What a finding of a market guard does to an account that holds the symbol."""

from msgspec.structs import replace

from engine.domain import closing, guarding, records
from engine.domain.drafts import Draft
from engine.domain.market_findings import Finding, Level, OnSuspect
from engine.domain.market_guards import outcome_for


def take_finding(draft: Draft, finding: Finding) -> None:
    """Publishes the finding and acts on it; nothing where the symbol is not held."""
    if finding.policy is not None:
        _suspect(draft, finding)
    found = outcome_for(finding, draft.state)
    if found is None:
        return
    fields = guarding.rule_fields(draft, finding.guard, finding.kind, found)
    if not found.breach:
        draft.publish(records.RuleWarning, **fields)
        return
    draft.publish(records.RuleBreach, action=finding.action.value, **fields)
    if finding.action.halts:
        guarding.halt(draft, finding.guard)
    if finding.action.closes:
        for position in draft.state.positions:
            if position.position_id in (found.only_positions or ()):
                closing.intend(draft, position, finding.guard)


def _suspect(draft: Draft, finding: Finding) -> None:
    """Says that a symbol is suspect, and holds its guards where that is the policy.

    `corroborate` holds as well: guards then act only where the broker's own equity agrees, and
    without a broker's report nothing does.
    """
    state = draft.state
    others = tuple(symbol for symbol in state.suspects if symbol != finding.symbol)
    if finding.level is Level.ACT:
        holds = finding.policy is not OnSuspect.ALERT
        suspects = tuple(sorted((*others, finding.symbol))) if holds else others
        draft.state = replace(state, suspects=suspects)
        if any(position.symbol == finding.symbol for position in state.positions):
            draft.publish(
                records.QuoteSuspect,
                symbol=finding.symbol,
                cause=finding.cause,
                count=int(finding.value),
            )
    elif finding.symbol in state.suspects:
        draft.state = replace(state, suspects=others, untested=True)
