"""The OpenAPI 3.1 document of the API, made of the structs that it encodes and decodes with."""

import html
import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec
import orjson

from engine.domain.records import AnyRecord
from facade.access_policy import policy_of
from facade.call import Operation
from facade.problems import TITLES, ProblemBody

_TEMPLATE = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{([a-z]+)\}")
_PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "server": {"type": "string", "minLength": 1, "maxLength": 64},
    "login": {"type": "string", "pattern": "^(0|[1-9][0-9]{0,18})$"},
    "id": {"type": "string", "minLength": 1, "maxLength": 64},
}


def document_of(operations: Sequence[Operation]) -> bytes:
    """The document as JSON. Costs some 50 ms: once, at the start."""
    kinds = [ProblemBody, AnyRecord]
    for one in operations:
        kinds += [kind for kind in (one.answer, one.body, one.query) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    named = {_name(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, named, components)
    paths["/api/v1/stream"] = {"get": _stream()}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate",
            "version": version("tidegate"),
            "description": "Account guards: what is held, how far from the floor, and commands.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
    }
    return orjson.dumps(document)


def _name(kind: Any) -> str:
    return repr(kind)


def _operation(one: Operation, named: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    policy = policy_of(one.method, one.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PATH_SCHEMAS[name]}
        for name in _PARAMETER.findall(one.path)
    ]
    if one.query is not None:
        parameters += _query(components[one.query.__name__])
    if one.keyed:
        parameters.append(_header("Idempotency-Key", "Once and the same answer for a day.", 128))
    if one.cached:
        # What is no tag of ours just does not match: nothing is refused (RFC 9110, 13.1.2).
        told = "The `ETag` that is known."
        field = {"name": "If-None-Match", "in": "header", "description": told}
        parameters.append({**field, "schema": {"type": "string"}})
    made: dict[str, Any] = {
        "summary": one.summary,
        "operationId": one.handler.__name__,
        "responses": _responses(one, named, is_public=policy.is_public),
        "security": [] if policy.is_public else [{"token": []}],
        "x-roles": sorted(policy.roles),
    }
    if parameters:
        made["parameters"] = parameters
    if one.body is not None:
        made["requestBody"] = {
            "required": bool(components[one.body.__name__].get("required")),
            "content": {"application/json": {"schema": named[_name(one.body)]}},
        }
    return made


def _query(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _plain(field)}
        for name, field in schema.get("properties", {}).items()
    ]


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: it is left out instead."""
    found = dict(field)
    parts = [part for part in found.pop("anyOf", []) if part != {"type": "null"}]
    if found.get("default", 0) is None:
        del found["default"]
    return {**found, **parts[0]} if len(parts) == 1 else found


def _header(name: str, story: str, length: int) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": length, "pattern": "^[!-~]+$"}
    return {"name": name, "in": "header", "description": story, "schema": schema}


def _responses(one: Operation, named: dict[str, Any], *, is_public: bool) -> dict[str, Any]:
    story: dict[str, Any] = {"description": "Accepted" if one.status == 202 else "As asked"}
    if one.answer is not None:
        story["content"] = {one.media_type: {"schema": named[_name(one.answer)]}}
    elif one.status != 204:
        story["content"] = {one.media_type: {"schema": {"type": "string"}}}
    found: dict[str, Any] = {str(one.status): story}
    if one.cached:
        found["304"] = {"description": "As it is known already"}
    statuses = {421, 429, 500} if is_public else {401, 403, 421, 422, 429, 500}
    statuses |= {503}
    if "{" in one.path or not is_public:
        statuses.add(404)
    if one.method != "GET":
        statuses |= {408, 409, 413, 415, 422}
    if one.path == "/readyz":
        statuses.discard(503)
        found["503"] = {"description": "Not ready", "content": story["content"]}
    problem = {"application/problem+json": {"schema": named[_name(ProblemBody)]}}
    for status in sorted(statuses):
        words = TITLES.get(status, "Problem")
        found[str(status)] = {"description": words, "content": problem}
    return found


def _stream() -> dict[str, Any]:
    return {
        "summary": "Server-sent events: `snapshots`, `event`, `heartbeat`, `stopping`",
        "operationId": "stream",
        "security": [{"token": []}],
        "parameters": [
            {
                "name": "account",
                "in": "query",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            },
            _header("Last-Event-ID", "Where to go on.", 8000),
        ],
        "responses": {
            "200": {
                "description": "Until one side ends it",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        },
    }


def docs_page(document: bytes) -> str:
    """The document for a person: plain HTML without a script, from nowhere else."""
    told = orjson.loads(document)
    rows = []
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            rows.append(_row(method, path, one))
    schemas = "".join(
        f'<details id="{html.escape(name)}"><summary>{html.escape(name)}</summary>'
        f"<pre>{html.escape(orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode())}</pre>"
        "</details>"
        for name, schema in told["components"]["schemas"].items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Tidegate API</title>'
        '<meta name="viewport" content="width=device-width">'
        "<style>:root{color-scheme:light dark}body{font:14px/1.5 system-ui;max-width:70em;"
        "margin:2em auto;padding:0 1em}code{white-space:nowrap}pre{overflow:auto}"
        "details{border-bottom:1px solid #8886;padding:.4em 0}</style>"
        f"<h1>Tidegate API {html.escape(told['info']['version'])}</h1>"
        '<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"<main>{''.join(rows)}<h2>Schemas</h2>{schemas}</main></html>"
    )


def _row(method: str, path: str, one: dict[str, Any]) -> str:
    roles = ", ".join(one.get("x-roles", ())) or "anybody"
    shown = {key: one[key] for key in ("parameters", "requestBody", "responses") if key in one}
    text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
    return (
        f"<details><summary><code>{method.upper()} {html.escape(path)}</code> "
        f"{html.escape(one['summary'])} <small>({roles})</small></summary>"
        f"<pre>{html.escape(text)}</pre></details>"
    )
