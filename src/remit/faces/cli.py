"""The `remit` command: finds the verb, runs it, and turns every way it can end into words and an exit code.

0 is success, 2 the user's fault, 1 ours or a broken ledger, 130 an interrupt, 141 a reader that went away.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

from remit import __version__
from remit.errors import BadInput, RemitError
from remit.faces.terminal import clean, say, warn
from remit.faces.verbs import VERBS, Verb, help_text

__all__ = ["main"]

_USERS_FAULT: Final = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG,
     errno.EEXIST, errno.EROFS, errno.ENOTEMPTY}
)  # fmt: skip
"""What a path can be that the user named."""

_LEADING: Final = ("--company", "--as")
"""Options that may also stand before the verb."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments`` (those of this process when None) and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except RemitError as error:
        return _failed(str(error), error.advice, error.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        users_fault = error.errno in _USERS_FAULT and bool(error.filename)
        return _failed(f"{place}{error.strerror or error}", "", 2 if users_fault else 1)
    except Exception as error:
        _trace()
        return _failed(f"internal error: {type(error).__name__}: {error!s:.300}", RemitError().advice, 1)
    return code


def _run(arguments: list[str]) -> int:
    for argument in arguments:
        if "\0" in argument or not _is_text(argument):
            raise BadInput(f"argument {argument!r:.60} is not text in UTF-8")
    leading, rest = _leading(arguments)
    if not rest or rest[0] in ("--help", "-h", "help"):
        say(help_text().rstrip("\n"))
        return 0
    if rest[0] == "--version":
        say(f"remit {__version__}")
        return 0
    verb = next((verb for verb in VERBS if verb.name == rest[0]), None)
    if verb is None:
        raise _unknown(rest[0])
    end = rest.index("--") if "--" in rest else len(rest)
    return _call(verb, [*rest[1:end], *leading, *rest[end:]])


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _leading(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part what stands before the verb from the rest."""
    leading, rest = list[str](), list(arguments)
    while rest and rest[0].partition("=")[0] in _LEADING:
        option, equals, value = rest.pop(0).partition("=")
        if not equals:
            if not rest:
                raise BadInput(f"{option} needs a value")
            value = rest.pop(0)
        leading.append(f"{option}={value}")
    return leading, rest


def _unknown(name: str) -> BadInput:
    close = difflib.get_close_matches(name, [verb.name for verb in VERBS], 1)
    return BadInput(f"no verb {name!r:.60}; " + (f"did you mean {close[0]}?" if close else "`remit --help` lists them"))


def _call(verb: Verb, arguments: list[str]) -> int:
    from cyclopts import App, CycloptsError

    module, _, attribute = verb.where.partition(":")
    target = getattr(importlib.import_module(f"remit.faces.{module}"), attribute)
    app = App(
        name="remit",
        help=verb.summary,
        version_flags=(),
        help_formatter="plain",
        help_format="plaintext",
        result_action="return_value",
    )
    app.command(target, name=verb.name)
    try:
        code = app([verb.name, *arguments], exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _failed(str(error).rstrip("\n"), f"See `remit {verb.name} --help`.", 2)
    return code if isinstance(code, int) else 0


def _failed(what: str, advice: str, code: int) -> int:
    lines = what.split("\n")
    warn("\n".join([f"remit: {lines[0]}", *lines[1:]]), "bold")
    if advice:
        warn(advice, "dim")
    return code


def _trace() -> None:
    if os.environ.get("REMIT_DEBUG") == "1":
        import traceback

        for line in traceback.format_exc().splitlines():
            warn(clean(line))


def _drop_output() -> None:
    """Have what is still buffered go nowhere, so that the end of the process does not fail on it again."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
