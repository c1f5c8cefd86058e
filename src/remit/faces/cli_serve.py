"""The verb `serve`: the JSON API, on this machine only."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from remit.errors import BadInput
from remit.faces.cli_options import CompanyFolder
from remit.faces.terminal import clean, say, warn

__all__ = ["serve"]


def serve(
    *,
    company: CompanyFolder = Path(),
    host: Annotated[str, Parameter(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535), help="0 takes any free one.")] = 8765,
) -> int:
    """Answer the JSON API on this machine.

    Callers send the token in .remit/api.token as `Authorization: Bearer`. There is no sign-in yet, so whoever has the
    token speaks for everybody, and no address but loopback is taken.
    """
    from remit.app import open_company
    from remit.faces.api import build_api, serve_api
    from remit.faces.api_token import TOKEN_FILE, make_token

    with _listen(host, port) as listening, open_company(company, "serve", report=warn) as control:
        make_token(control.company.state)
        _ = control.desk  # files that cannot be taken as written are found now, and halts are confirmed from now on
        address, bound = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        say(f"{clean(control.company.name)} answers on http://{shown}:{bound}")
        say(f"token      {clean(str(control.company.state / TOKEN_FILE))}")
        sys.stdout.flush()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # the server raises them again once it has ended
        serve_api(build_api(control), listening)
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything else is opened.

    Raises:
        BadInput: not a loopback address, or the port is taken.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise BadInput(f"host: got {host!r:.60}, expected a loopback address such as 127.0.0.1") from None
    if not address.is_loopback:
        raise BadInput(f"host: got {host}, but there is no sign-in yet, so only loopback (127.0.0.1, ::1) is served")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        return socket.create_server((str(address), port), family=family)
    except OSError as error:
        raise BadInput(f"port {port} of {address}: {error.strerror or error}; choose another with --port") from None
