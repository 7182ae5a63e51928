"""What a caller is told of each refusal: the detail of a problem, by its reason.

None says more than the caller knows already: that a key, an account or a person exists.
"""

_TOKEN = "The token is not one that is taken here."  # noqa: S105  words, not a secret
_SESSION = "Sign in again."

WORDS: dict[str, str] = {
    "token_missing": "Send a token as `Authorization: Bearer TOKEN`, or sign in.",
    "token_malformed": _TOKEN,
    "token_too_long": "A token has at most 4 KiB.",
    "token_expired": "The token has run out.",
    "token_not_yet_valid": "The token begins in the future: compare the clocks.",
    "token_denied": _TOKEN,
    "key_unknown": _TOKEN,
    "signature_wrong": _TOKEN,
    "claims_malformed": _TOKEN,
    "issuer_wrong": "The token is of another issuer.",
    "audience_wrong": "The token is for another audience.",
    "scope_missing": "A token is for some accounts or for one tenant.",
    "lifetime_too_long": "The token would live longer than is taken here.",
    "session_malformed": _SESSION,
    "session_expired": _SESSION,
    "session_ended": _SESSION,
    "session_unreadable": _SESSION,
    "no_session_for_services": "A service sends its token with each request.",
    "too_many_accounts_for_a_session": "A session holds some 250 accounts: use a tenant.",
    "role": "Your role may not do this.",
    "fresh_token_needed": "This needs a token made within the last five minutes: sign in anew.",
    "origin": "The request does not come from this desk's own page.",
    "csrf": "The header X-CSRF-Token is not that of this session: load the page again.",
    "rate_limited": "Too many requests: wait as long as Retry-After says.",
    "too_many_wait": "Too much waits for a second person already.",
    "approval_unknown": "Nothing of that name waits for approval.",
    "approval_expired": "It waited too long: propose it again.",
    "approval_decided": "It has been decided already.",
    "second_person_needed": "Another person has to approve it.",
    "idempotency_key_malformed": "An Idempotency-Key has 1 to 128 visible ASCII characters.",
    "idempotency_key_reused": "This Idempotency-Key came with another request before.",
    "idempotency_first_failed": "The first request with this Idempotency-Key broke off: look at "
    "the account, then use a new key.",
    "too_many_at_work": "Too many of your requests are at work: wait for their answers.",
    "too_many_streams": "You have as many streams open as you may: close one.",
    "not_every_account": "This is about all accounts, and you may see only some.",
}
"""Reason of a `Denied` -> a sentence."""
