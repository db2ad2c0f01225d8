"""`culturepark replay`: the terminal app, or plain text where there is no terminal."""

from __future__ import annotations

import os
import sys

from culturepark.errors import UsageError


def replay(
    target: str | None,
    store_url: str,
    *,
    plain: bool,
    behind: bool,
    follow: bool,
    reviewer: str | None,
    endpoints: list[str],
) -> int:
    if plain or behind or not on_terminal():
        if endpoints:
            raise UsageError("--endpoint is for branches in the app; plain text asks no model")
        from culturepark.replay import plain as words
        from culturepark.store.store import Store

        store = Store(store_url, must_exist=True)
        words.show(words.replay(store, target or "last", follow=follow, behind=behind))
        return 0
    from culturepark.replay.app import Replay
    from culturepark.replay.session import Session
    from culturepark.store.reviewer import named
    from culturepark.terminal.bidi import left_to_us

    session = Session(store_url, named(reviewer) if reviewer else myself(), follow=follow, endpoints=endpoints)
    if endpoints:
        _ = session.trust  # a wrong one is told now, and not at the first branch
    app = Replay(
        session,
        target or ("last" if follow else None),
    )
    with left_to_us(sys.stdout, os.environ):
        app.run()
    app.session.finish()
    if app.trouble:
        raise app.trouble
    return app.return_code or 0


def on_terminal() -> bool:
    """Whether there is one that an app can be shown on, and somebody at its keys."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def myself() -> str:
    """Who judges, unless somebody else is named."""
    import getpass

    from culturepark.store.reviewer import named

    try:
        return named(getpass.getuser())
    except (KeyError, OSError, UsageError):  # a user id without a name, as in some containers, or with an odd one
        return "reviewer"
