"""A secret is fetched from where it is named and shows itself nowhere."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.canonical import canonical
from remit.connectors.credentials import Secret, is_reference, read_secret, redact
from remit.errors import BadInput

TEXT = "s3cret-Value-42"


def test_no_way_of_showing_it_shows_it() -> None:
    secret = Secret(TEXT)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret:>40}",
        f"{secret} {secret!r}",
    ]
    shown.append(repr({"k": [secret]}))
    assert not any(TEXT in text for text in shown)
    for write in (json.dumps, canonical, pickle.dumps, copy.copy, copy.deepcopy, vars, hash):
        with pytest.raises((TypeError, BadInput)) as caught:
            write(secret)
        assert TEXT not in str(caught.value)
    assert secret.reveal() == TEXT


def test_equality_does_not_need_to_show() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret(TEXT + "x")
    assert Secret(TEXT) != TEXT


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("env:NAME", True),
        ("env:_n1", True),
        ("file:/run/secrets/x y", True),
        ("keyring:service/user@host", True),
        ("env:1NAME", False),
        ("env:", False),
        ("env:A B", False),
        ("file:", False),
        ("file:a\nb", False),
        ("keyring:service", False),
        ("keyring:/user", False),
        ("hunter2", False),
        ("vault:x", False),
        ("env:NAME\n", False),
        (None, False),
        (5, False),
    ],
)
def test_what_names_a_secret(text: object, fine: bool) -> None:
    assert is_reference(text) is fine


@pytest.mark.parametrize("held", [None, "", "two\nlines", "bell\x07", "nul\x00"])
def test_a_variable_that_cannot_be_one(held: str | None) -> None:
    environment = {} if held is None else {"NAME": held}
    with pytest.raises(BadInput, match="env:NAME") as caught:
        read_secret("env:NAME", environment)
    assert not held or held not in str(caught.value)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMIT_TEST_SECRET", TEXT)
    assert read_secret("env:REMIT_TEST_SECRET").reveal() == TEXT


def test_a_literal_is_refused_without_repeating_it() -> None:
    with pytest.raises(BadInput) as caught:
        read_secret(TEXT)
    assert TEXT not in str(caught.value)


@pytest.mark.parametrize(("content", "expected"), [("x\n", "x"), ("x\r\n", "x"), ("x", "x"), ("é é\n", "é é")])
def test_a_file_gives_its_one_line(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content.encode())
    path.chmod(0o600)
    assert read_secret(f"file:{path}").reveal() == expected


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o620, 0o666, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text(TEXT)
    path.chmod(mode)
    with pytest.raises(BadInput, match=f"{mode:04o}") as caught:
        read_secret(f"file:{path}")
    assert TEXT not in str(caught.value)


def test_files_that_hold_no_secret(tmp_path: Path) -> None:
    empty, large, binary, pipe = (tmp_path / name for name in ("empty", "large", "binary", "pipe"))
    empty.write_bytes(b"\n")
    large.write_bytes(b"x" * 70_000)
    binary.write_bytes(b"\xff\xfe")
    os.mkfifo(pipe)
    for path in (empty, large, binary, pipe):
        path.chmod(0o600)
    for path in (empty, large, binary, pipe, tmp_path, tmp_path / "absent"):
        with pytest.raises(BadInput, match=str(path)):
            read_secret(f"file:{path}")


def test_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = types.ModuleType("keyring")
    stand_in.get_password = lambda service, user: {("erp", "a/b"): TEXT}.get((service, user))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", stand_in)
    assert read_secret("keyring:erp/a/b").reveal() == TEXT
    with pytest.raises(BadInput, match="not set"):
        read_secret("keyring:erp/other")

    def locked(service: str, user: str) -> str:
        raise RuntimeError(f"locked, {TEXT}")

    stand_in.get_password = locked  # type: ignore[attr-defined]
    with pytest.raises(BadInput, match="RuntimeError") as caught:
        read_secret("keyring:erp/a")
    assert TEXT not in str(caught.value)
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(BadInput, match="not installed"):
        read_secret("keyring:erp/a")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4), st.text(), st.text())
def test_redacting_leaves_no_guise(text: str, before: str, after: str) -> None:
    from urllib.parse import quote

    shown = redact(f"{before}{text}{json.dumps(text)}{quote(text, safe='')}{after}", [Secret(text)])
    if text not in "***":
        assert text not in shown.replace("***", "")


def test_redacting_takes_every_secret_and_leaves_the_rest() -> None:
    secrets = [Secret("first-secret"), Secret("second/secret"), Secret("abc")]
    text = "a first-secret b second/secret c second%2Fsecret d abc"
    assert redact(text, secrets) == "a *** b *** c *** d abc"
    assert redact("first-secret", secrets, 20) == "first-secret"
