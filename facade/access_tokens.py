"""Making and verifying tokens: JWT signed with Ed25519, and nothing else.

PyJWT checks the signature alone. Facts (its documentation, and tried): it takes `exp` as a string
or of any size, keys given twice, tokens of a megabyte and any `kid`. So all of that is done here,
strictly, on the very bytes that were signed.
"""

import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, NoReturn

import jwt
import msgspec
from jwt.api_jws import PyJWS
from msgspec import Meta

from engine.errors import UserError
from facade.access import EVERY, ROLES, SUBJECT, Denied, Principal, Role
from facade.access_keys import AccessKeys, Trusted
from facade.settings import Settings

TOKEN_BYTES_MAX = 4096
SKEW_S = 30
USER_S_MAX = 900
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

Seconds = Annotated[int, Meta(ge=1, le=2**40)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: Literal["EdDSA"]
    kid: Word
    typ: Literal["JWT"]


class _Claims(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    iss: Name
    aud: Name
    sub: Annotated[str, Meta(pattern=f"^{SUBJECT.pattern}\\Z")]
    role: Role
    iat: Seconds
    exp: Seconds
    jti: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]
    accounts: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=500)] | None = None
    tenant: Name | None = None


class TokenRules(NamedTuple):
    """What a desk demands of tokens."""

    issuer: str = "tidegate"
    audience: str = "tidegate"
    user_s_max: int = USER_S_MAX
    """The longest life of a person's token."""
    service_s_max: int = 90 * 86_400
    """The same of a `service`, which no person renews."""

    def longest_s(self, role: Role) -> int:
        """The longest life of a token of this role."""
        return self.service_s_max if role == "service" else self.user_s_max


def rules_of(settings: Settings) -> TokenRules:
    """What the settings demand."""
    keys = settings.keys.access
    return TokenRules(keys.issuer, keys.audience, keys.max_lifetime_s)


class Grant(NamedTuple):
    """What a token is to allow."""

    subject: str
    role: Role
    accounts: tuple[str, ...] = ()
    tenant: str | None = None
    lifetime_s: int = USER_S_MAX


class Issued(NamedTuple):
    """A token just made. Its text is a secret: `token` is for whoever asked, and nowhere else."""

    token: str
    token_id: str
    expires_s: int

    def __repr__(self) -> str:
        return f"Issued({self.token_id!r}, {self.expires_s})"


def issue(keys: AccessKeys, grant: Grant, now_s: int, rules: TokenRules | None = None) -> Issued:
    """A token, signed with the newest key.

    Raises:
        UserError: there is no key, or the grant is not one that would be taken.
    """
    rules = rules or TokenRules()
    _refuse_grant(grant, rules)
    kid, private = keys.signer()
    claims = _Claims(
        iss=rules.issuer,
        aud=rules.audience,
        sub=grant.subject,
        role=grant.role,
        iat=now_s,
        exp=now_s + grant.lifetime_s,
        jti=secrets.token_urlsafe(12),
        accounts=grant.accounts or None,
        tenant=grant.tenant,
    )
    body = msgspec.to_builtins(claims)
    token = jwt.encode(body, private, algorithm="EdDSA", headers={"kid": kid})
    if len(token) > TOKEN_BYTES_MAX:
        raise UserError(
            f"the token would have {len(token)} bytes, {TOKEN_BYTES_MAX} are taken",
            help="name a tenant instead of so many accounts",
        )
    return Issued(token, claims.jti, claims.exp)


class Verifier:
    """Says whose a token is. A verified token is remembered until it expires.

    A signature costs about 130 us, a remembered token about 1 us.
    """

    def __init__(
        self,
        keys: AccessKeys,
        now_s: Callable[[], float],
        rules: TokenRules | None = None,
        *,
        remembered: int = 4096,
    ) -> None:
        """`now_s`: the wall clock, Unix seconds; `remembered`: so many tokens, the newest used."""
        self._keys = keys
        self.now_s = now_s
        self.rules = rules or TokenRules()
        self._remembered_max = remembered
        self._remembered: OrderedDict[str, Principal] = OrderedDict()
        self._generation = -1
        self._jws = PyJWS(algorithms=["EdDSA"])

    def remembers(self, token: str) -> bool:
        """Whether it was verified before: then verifying it again costs next to nothing."""
        return token in self._remembered

    def verify(self, token: str) -> Principal:
        """Whose it is.

        Raises:
            Denied: 401; the reason is one of a few words and holds nothing of the token.
        """
        if len(token) > TOKEN_BYTES_MAX:
            _deny("token_too_long")
        trusted = self._keys.trusted()
        if trusted.generation != self._generation:
            self._generation = trusted.generation
            self._remembered.clear()
        now_s = self.now_s()
        principal = self._remembered.get(token)
        if principal is None:
            principal = self._checked(token, trusted, now_s)
            while len(self._remembered) >= self._remembered_max:
                self._remembered.popitem(last=False)
            self._remembered[token] = principal
        elif principal.expires_s <= now_s - SKEW_S:
            del self._remembered[token]
            _deny("token_expired")
        else:
            self._remembered.move_to_end(token)
        return principal

    def is_withdrawn(self, principal: Principal) -> bool:
        """Whether its token or session was denied since, or its key retired."""
        trusted = self._keys.trusted()
        session_id = (principal.session_id or "").partition(".")[0]
        return (
            principal.key_id not in trusted.public
            or principal.token_id in trusted.denied
            or session_id in trusted.denied
        )

    def _checked(self, token: str, trusted: Trusted, now_s: float) -> Principal:
        if not _SHAPE.fullmatch(token):
            _deny("token_malformed")
        head, body, signature = token.split(".")
        try:
            header = msgspec.json.decode(_said_once(head), type=_Header)
            text = _said_once(body)
            _plain(signature)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            _deny("token_malformed")
        key = trusted.public.get(header.kid)
        if key is None:
            _deny("key_unknown")
        try:
            self._jws.decode(token, key, algorithms=["EdDSA"])
        except (jwt.PyJWTError, ValueError, TypeError):
            _deny("signature_wrong")
        try:
            claims = msgspec.json.decode(text, type=_Claims)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            _deny("claims_malformed")
        self._refuse(claims, trusted, now_s)
        return Principal(
            subject=claims.sub,
            role=claims.role,
            accounts=claims.accounts or (),
            tenant=claims.tenant,
            token_id=claims.jti,
            key_id=header.kid,
            authenticated_s=claims.iat,
            expires_s=claims.exp,
        )

    def _refuse(self, claims: _Claims, trusted: Trusted, now_s: float) -> None:
        who = claims.sub
        if claims.iss != self.rules.issuer:
            _deny("issuer_wrong", who)
        if claims.aud != self.rules.audience:
            _deny("audience_wrong", who)
        if (claims.accounts is None) == (claims.tenant is None):
            _deny("scope_missing", who)
        if claims.accounts and EVERY in claims.accounts and len(claims.accounts) > 1:
            _deny("claims_malformed", who)
        if claims.exp <= now_s - SKEW_S:
            _deny("token_expired", who)
        if claims.iat > now_s + SKEW_S:
            _deny("token_not_yet_valid", who)
        if not 0 < claims.exp - claims.iat <= self.rules.longest_s(claims.role):
            _deny("lifetime_too_long", who)
        if claims.jti in trusted.denied:
            _deny("token_denied", who)


def _deny(reason: str, who: str = "") -> NoReturn:
    """Raises without a cause or context: those may hold the token's text."""
    raise Denied(401, reason, who=who) from None


def _plain(part: str) -> bytes:
    """What one part of a token holds.

    Raises:
        ValueError: it is not canonical base64url.
    """
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except Base64Error as error:
        raise ValueError("not base64url") from error
    if urlsafe_b64encode(raw).rstrip(b"=") != part.encode():
        raise ValueError("not canonical")
    return raw


def _said_once(part: str) -> bytes:
    """The JSON of one part, in which no key is given twice.

    Raises:
        ValueError: it is not that.
    """
    raw = _plain(part)
    json.loads(raw, object_pairs_hook=_once)
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key given twice")
    return found


def _refuse_grant(grant: Grant, rules: TokenRules) -> None:
    longest_s = rules.longest_s(grant.role)
    if not SUBJECT.fullmatch(grant.subject):
        raise UserError(
            f"{grant.subject!r} is no subject",
            help="letters, digits and . _ @ + : -, at most 64, beginning with a letter or digit",
        )
    if grant.role not in ROLES:
        raise UserError(f"{grant.role!r} is no role", help=", ".join(ROLES))
    if bool(grant.accounts) == bool(grant.tenant):
        raise UserError(
            "a token is for some accounts, one tenant, or all", help="give one of the three"
        )
    if not 0 < grant.lifetime_s <= longest_s:
        raise UserError(
            f"a token of {grant.lifetime_s} s", help=f"a {grant.role} has at most {longest_s} s"
        )
