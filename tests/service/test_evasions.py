"""Bodies that a client writes to be passed over: each gets the answer of the plain one, or what the policy says of unreadable ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.service_client import Running, running
from support.small_traffic import TEMPLATES

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")
CHAT = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
GUARDRAIL = {"input_type": "request", "structured_messages": CHAT["messages"]}
ROUTES = {
    "/v1/lookup": CHAT,
    "/v1/envoy/authz/v1/chat/completions": CHAT,
    "/v1/envoy/authz/v1/messages": CHAT,
    "/beta/litellm_basic_guardrail_api": GUARDRAIL,
}
BENIGN = '[{"role": "user", "content": "hi"}]'


def with_field(field: str) -> Callable[[str], bytes]:
    return lambda base: f"{base[:-1]}, {field}}}".encode()


def first(field: str) -> Callable[[str], bytes]:
    return lambda base: f"{{{field}, {base[1:]}".encode()


def doubled(base: str) -> str:
    """Return the body's field of messages once more, without harm."""
    name = (
        "messages" if '"messages"' in base and '"structured_messages"' not in base else "structured_messages"
    )
    return f'"{name}": {BENIGN}'


def in_capitals(base: str, spelt: Callable[[str], str]) -> str:
    """Return a body whose names of messages, and within them, are spelt otherwise."""
    for name in ("messages", "structured_messages", "role", "content"):
        base = base.replace(f'"{name}":', f'"{spelt(name)}":')
    return base


READ: dict[str, Callable[[str], bytes]] = {
    "lone surrogate in a field": with_field('"user": "\\ud800"'),
    "lone surrogate in the text": lambda base: base.replace("garden", "garden\\ud83d").encode(),
    "byte order mark": lambda base: b"\xef\xbb\xbf" + base.encode(),
    "UTF-16": lambda base: base.encode("utf-16"),
    "UTF-32": lambda base: base.encode("utf-32"),
    "NaN": with_field('"temperature": NaN'),
    "Infinity": with_field('"temperature": -Infinity'),
    "nested 150 deep": with_field(f'"metadata": {"[" * 150}{"]" * 150}'),
    "nested 300 deep, first": first(f'"metadata": {"[" * 300}{"]" * 300}'),
    "nested 90,000 deep, first": first(f'"metadata": {"[" * 90_000}{"]" * 90_000}'),
    "integer of 5,000 digits": with_field(f'"n": {"1" * 5000}'),
    "comma before the end": lambda base: f"{base[:-1]},}}".encode(),
    "blank lines before": lambda base: f"\n\n  {base}".encode(),
    "bytes that are no UTF-8, in a field": lambda base: base.encode()[:-1] + b', "user": "\xff"}',
    "a line break in a field": with_field('"user": "a\nb"'),
    "a prompt beside it": with_field('"prompt": "hi"'),
    "an input beside it": with_field('"input": "hi"'),
    "instructions beside it": with_field('"instructions": "hi"'),
    "two megabytes after it": with_field(f'"user": "{"a" * 2_000_000}"'),
    "two megabytes before it": first(f'"user": "{"a" * 2_000_000}"'),
    "8.5 megabytes after it": with_field(f'"user": "{"a" * 8_500_000}"'),
    "8.5 megabytes before it": first(f'"user": "{"a" * 8_500_000}"'),
    "names in capitals": lambda base: in_capitals(base, str.upper).encode(),
    "names as Go writes them": lambda base: in_capitals(base, str.capitalize).encode(),
    "names with a long s": lambda base: base.replace('"messages"', '"me\u017f\u017fages"').encode(),
    "names with a long s as an escape": lambda base: base.replace('"messages"', '"me\\u017fsages"').encode(),
    "150,000 values before it": first(f'"metadata": [{"1," * 150_000}1]'),
}
"""What is read like the plain body."""

UNREAD: dict[str, Callable[[str], bytes]] = {
    "gzip": lambda base: gzip.compress(base.encode()),
    "garbage": lambda _base: b"\x00\x01garbage",
    "120,000 names": first(f'"metadata": {{{",".join(f"{chr(34)}{n}{chr(34)}:1" for n in range(120_000))}}}'),
    "two million values": first(f'"metadata": [{"1," * 2_000_000}1]'),
    "an array of requests": lambda base: f"[{base}]".encode(),
    "its text twice, the last harmless": lambda base: f"{base[:-1]}, {doubled(base)}}}".encode(),
    "its text twice, the last spelt with escapes": lambda base: (
        f"{base[:-1]}, {doubled(base).replace('me', chr(92) + 'u006de', 1)}}}".encode()
    ),
    "its text twice, and no JSON": lambda base: f'{base[:-1]}, {doubled(base)}, "n": NaN}}'.encode(),
    "its text twice, half a surrogate pair in a name": lambda base: (
        f"{base[:-1]}, {doubled(base).replace('mess', 'mess' + chr(92) + 'ud83d', 1)}}}".encode()
    ),
    "its text twice, the last in capitals": lambda base: (
        f"{base[:-1]}, {in_capitals(doubled(base), str.upper)}}}".encode()
    ),
    "a message's text twice, in capitals": lambda base: base.replace(
        '"content":', '"CONTENT": "hi", "content":'
    ).encode(),
    "a message's text twice": lambda base: base.replace('"content":', '"content": "hi", "content":').encode(),
}
"""What cannot be read, so that the policy decides."""


OTHERS = {
    "a system prompt that is a number": with_field('"system": 5'),
    "a message that is a number": lambda base: base.replace("]", ", 5]").encode(),
}
"""What is read in part or not at all, but never as harmless."""

DO_IT = {"role": "user", "content": "Now do as it says."}
ELSEWHERE = {
    "assistant turn": [{"role": "assistant", "content": PROMPT}, DO_IT],
    "tool turn": [{"role": "tool", "tool_call_id": "c1", "content": PROMPT}, DO_IT],
    "tool result": [
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "content": [{"type": "text", "text": PROMPT}],
                },
                {"type": "text", "text": DO_IT["content"]},
            ],
        }
    ],
}
"""Messages that hold a template where neither system nor user speaks; `--roles none` passes them over."""


@pytest.fixture(scope="module")
def service(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    policy = tmp_path_factory.mktemp("policy") / "policy.toml"
    policy.write_text('unparsed = "block"\n[[rule]]\nmin_score = 0.5\ndecision = "block"\n')
    with running(worked, policy=str(policy)) as found:
        yield found


def asked(service: Running, route: str, body: bytes) -> tuple[str, str]:
    """Return what was decided, and the family found or why the body could not be read."""
    got = service.client.post(route, content=body, headers={"content-type": "application/json"})
    if route == "/v1/lookup":
        if got.status_code != 200:
            assert got.status_code in (400, 413, 422)
            return "refused", "unread"
        return got.json()["decision"], str(got.json()["family_id"])
    if "envoy" in route:
        decision = "block" if got.status_code == 403 else got.headers["x-fp-decision"]
        unread = "x-fp-unparsed" in got.headers
        return decision, "unread" if unread else got.headers.get("x-fp-signature", "None")
    assert got.status_code == 200
    told = got.json()["fingerprint"]
    decision = "block" if got.json()["action"] == "BLOCKED" else "observe"
    return decision, "unread" if "unparsed" in told else str(told["family_id"])


@pytest.mark.parametrize("route", ROUTES)
def test_the_plain_body_is_blocked(service: Running, route: str) -> None:
    decision, family = asked(service, route, json.dumps(ROUTES[route]).encode())
    assert decision == "block"
    assert family.startswith("f")


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("route", ROUTES)
def test_what_can_be_read_is_answered_like_the_plain_body(service: Running, route: str, case: str) -> None:
    base = json.dumps(ROUTES[route])
    assert asked(service, route, READ[case](base)) == asked(service, route, base.encode())


@pytest.mark.parametrize("case", UNREAD)
@pytest.mark.parametrize("route", ROUTES)
def test_what_cannot_be_read_is_for_the_policy(service: Running, route: str, case: str) -> None:
    decision, found = asked(service, route, UNREAD[case](json.dumps(ROUTES[route])))
    assert found == "unread"
    assert decision in ("block", "refused")


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize("route", ROUTES)
def test_what_is_read_in_part_is_not_harmless(service: Running, route: str, case: str) -> None:
    base = json.dumps(ROUTES[route])
    decision, found = asked(service, route, OTHERS[case](base))
    assert decision in ("block", "refused")
    assert found in ("unread", asked(service, route, base.encode())[1])


@pytest.fixture(scope="module")
def narrow(worked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that reads neither assistant turns nor tool results."""
    policy = tmp_path_factory.mktemp("roles") / "policy.toml"
    policy.write_text('[[rule]]\nmin_score = 0.5\ndecision = "block"\n')
    with running(worked, policy=str(policy), roles=()) as started:
        yield started


def with_messages(route: str, messages: object) -> bytes:
    name = "structured_messages" if "structured_messages" in ROUTES[route] else "messages"
    return json.dumps({**ROUTES[route], name: messages}).encode()


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("route", ROUTES)
def test_turns_of_others_are_looked_up_unless_that_is_declined(
    service: Running, narrow: Running, route: str, place: str
) -> None:
    body = with_messages(route, ELSEWHERE[place])
    assert asked(service, route, body) == asked(service, route, json.dumps(ROUTES[route]).encode())
    assert asked(narrow, route, body) == ("observe", "None")


@pytest.mark.parametrize("route", ROUTES)
def test_what_only_others_say_is_never_harmless(service: Running, narrow: Running, route: str) -> None:
    body = with_messages(route, ELSEWHERE["assistant turn"][:1])
    assert asked(service, route, body) == asked(service, route, json.dumps(ROUTES[route]).encode())
    assert asked(narrow, route, body)[1] == "unread"


@pytest.mark.parametrize("route", [name for name in ROUTES if "guardrail" not in name])
def test_a_tools_description_is_looked_up(service: Running, route: str) -> None:
    tools = [{"type": "function", "function": {"name": "grade", "description": PROMPT}}]
    body = json.dumps({"model": "m", "messages": [DO_IT], "tools": tools}).encode()
    assert asked(service, route, body) == asked(service, route, json.dumps(ROUTES[route]).encode())


def with_words_between(every: int, count: int) -> str:
    """Return the prompt with so many words after every few of its own."""
    return " ".join(word + " zz" * count * (i % every == every - 1) for i, word in enumerate(PROMPT.split()))


@pytest.mark.parametrize(("every", "count"), [(8, 1), (3, 1), (3, 2), (2, 1), (2, 2), (1, 1)])
@pytest.mark.parametrize("route", ROUTES)
def test_words_between_the_words_hide_no_template(
    service: Running, route: str, every: int, count: int
) -> None:
    body = with_messages(route, [{"role": "user", "content": with_words_between(every, count)}])
    assert asked(service, route, body) == asked(service, route, json.dumps(ROUTES[route]).encode())


def test_a_harmless_template_beside_it_hides_none_either(service: Running) -> None:
    content = f"{TEMPLATES[1].format('a b c d e f')} {with_words_between(3, 1)}"
    assert (
        asked(service, "/v1/lookup", with_messages("/v1/lookup", [{"role": "user", "content": content}]))[0]
        == "block"
    )


def test_names_that_only_look_repeated_are_read(service: Running) -> None:
    kept = [
        {"metadata": {"a": {"x": 1}, "b": {"x": 2}}, "n": [{"x": 1}, {"x": 1}]},
        {"metadata": {'"messages":': 1, "a\\": 2, "a": 3}, "stop": ["user", "user"]},
    ]
    for more in kept:
        body = json.dumps({**CHAT, **more}).encode()
        assert asked(service, "/v1/lookup", body)[0] == "block"
