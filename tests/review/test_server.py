"""The queue in a browser, over real HTTP: who gets in, who gets which row, and what is left after a kill."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlmodel import select

from culturepark.loopback import LARGEST
from culturepark.review.desk import Desk
from culturepark.review.server import ReviewServer
from culturepark.store.tables import ReviewRow
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli
from tests.stats.test_rows import placed
from tests.support.browser import opened
from tests.support.fakes import Held
from tests.support.judging import drawn_from, ids, many


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return many(tmp_path, 12)


@pytest.fixture
def server(held: Held) -> Iterator[ReviewServer]:
    made = ReviewServer(Desk(held.store, drawn_from(held, 8).rows, overlap=1), "held")
    thread = Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    _, _, place, *path = url.split("/", 3)
    connection = http.client.HTTPConnection(place, timeout=10)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, f"/{''.join(path)}", body, named)
    got = connection.getresponse()
    answer = Answer(got.status, dict(got.getheaders()), got.read())
    connection.close()
    return answer


def post(server: ReviewServer, what: str, reviewer: str = "anna", **more: Any) -> Answer:
    sent = json.dumps({"reviewer": reviewer, **more}).encode()
    return ask(server.url + what, "POST", sent, Content_Type="application/json")


def test_the_page_is_whole_and_may_load_nothing_and_talk_to_nobody_else(server: ReviewServer) -> None:
    page = ask(server.url)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in page.headers
    assert not re.search(rb"https?://|<script [^>]*src|@import|url\(", page.body)
    assert server.token.encode() not in page.body
    assert server.server_address[0] == "127.0.0.1"


def test_without_the_whole_link_nobody_sees_or_says_anything(server: ReviewServer, held: Held) -> None:
    row = post(server, "next").json["row"]["id"]
    port = server.server_address[1]
    for path in ("/", "/x/", f"/{server.token[:-1]}/", f"/{server.token}x/", "//", "/favicon.ico"):
        assert ask(f"http://127.0.0.1:{port}{path}").status == 403
        sent = json.dumps({"reviewer": "anna", "id": row, "decision": "reject"}).encode()
        said = ask(f"http://127.0.0.1:{port}{path.rstrip('/')}/judge", "POST", sent, Content_Type="application/json")
        assert said.status == 403
        assert server.token.encode() not in said.body
    assert held.store.database.rows(select(ReviewRow)) == []


def test_other_names_other_pages_and_other_forms_are_refused(server: ReviewServer, held: Held) -> None:
    row = post(server, "next").json["row"]["id"]
    sent = json.dumps({"reviewer": "anna", "id": row, "decision": "reject"}).encode()
    kind = {"Content_Type": "application/json"}
    url = server.url + "judge"
    assert ask(url, "POST", sent, Host="evil.example", **kind).status == 421
    assert ask(server.url, Host="127.0.0.1.evil.example:80").status == 421
    assert ask(url, "POST", sent, Origin="http://evil.example", **kind).status == 403
    assert ask(url, "POST", sent, Origin="null", **kind).status == 403
    assert ask(url, "POST", sent, Content_Type="text/plain").status == 415
    assert ask(url, "POST", b"{" * 5000, **kind).status == 400
    assert ask(url, "POST", b"[1]", **kind).status == 400
    assert ask(url, "POST", b"", Content_Length=str(LARGEST + 1), **kind).status == 413
    assert ask(url, "PUT", sent, **kind).status == 501
    assert ask(server.url + "judge").status == 404
    assert post(server, "nothing").status == 404
    assert held.store.database.rows(select(ReviewRow)) == []
    tunnel = ask(server.url, Host="localhost:9000", Origin="http://localhost:9000")
    assert tunnel.status == 200


@pytest.mark.parametrize(
    "sent",
    [{"reviewer": ""}, {"reviewer": 3}, {"reviewer": "\x1b[31m"}, {"languages": "en"}, {"id": "x"}, {"id": None},
     {"decision": "comment"}, {"wording": "x" * 4001}, {"wording": ["x"]}],
)  # fmt: skip
def test_what_is_not_well_formed_is_named_and_not_stored(
    server: ReviewServer, held: Held, sent: dict[str, Any]
) -> None:
    row = post(server, "next").json["row"]["id"]
    answer = post(server, "judge", **{"id": row, "decision": "accept", **sent})
    assert answer.status == 400
    assert answer.json["error"]
    assert held.store.database.rows(select(ReviewRow)) == []


def test_two_people_get_rows_of_their_own_and_all_they_say_is_in_the_store(server: ReviewServer, held: Held) -> None:
    rows = ids(drawn_from(held, 8).rows)
    anna, ben = (post(server, "next", reviewer).json["row"]["id"] for reviewer in ("anna", "ben"))
    assert anna == ben == rows[0]  # the first one is for everybody
    anna = post(server, "judge", "anna", id=rows[0], decision="reject", note="not so\x00 here").json["row"]["id"]
    ben = post(server, "judge", "ben", id=rows[0], decision="accept", wording="So it is.").json["row"]["id"]
    assert [anna, ben] == rows[1:3]
    assert post(server, "next", "anna").json["row"]["id"] == anna  # a reload
    assert post(server, "skip", "anna", id=anna).json["row"]["id"] == rows[3]
    back = post(server, "undo", "anna").json
    assert (back["row"]["id"], back["line"]) == (rows[1], "1 of 8 · anna · 1 no")
    assert post(server, "undo", "anna").json["row"]["id"] == rows[0]
    assert "nothing to take back" in post(server, "undo", "anna").json["said"]
    stored = {row.reviewer: row for row in held.store.database.rows(select(ReviewRow))}
    assert (stored["ben"].decision, stored["ben"].wording) == ("accept", "So it is.")
    assert (stored["anna"].note, stored["anna"].withdrawn_at is None) == ("not so here", False)


def test_a_kill_loses_nothing_that_was_answered(held: Held) -> None:
    url = held.store.database.url.render_as_string()
    command = [sys.executable, "-m", "culturepark", "review", held.run_id, "--sample", "6", "--serve", "--store", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    link = process.stdout.readline().strip()

    def said(what: str, **more: Any) -> Any:
        sent = json.dumps({"reviewer": "anna", **more}).encode()
        return ask(link + what, "POST", sent, Content_Type="application/json").json

    first = said("next")["row"]["id"]
    second = said("judge", id=first, decision="reject")["row"]["id"]
    process.kill()
    process.communicate()
    row = Desk(held.store, drawn_from(held, 6).rows).here("anna")
    assert row
    assert row.id == second
    assert [one.subject_id for one in held.store.database.rows(select(ReviewRow))] == [first]


def test_ctrl_c_ends_it_and_says_where_things_stand(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = placed(away)
    store = type(held.store)("sqlite:///runs/culturepark.db")
    names = cli("review", "held", "--sample", "5", "--json").json["rows"]

    def interrupted(server: ReviewServer) -> None:
        server.desk.judge("anna", names[0], "accept")
        server.desk.judge("anna", names[1], "reject")
        raise KeyboardInterrupt

    monkeypatch.setattr(ReviewServer, "serve_forever", interrupted)
    done = cli("review", "held", "--sample", "5", "--serve")
    assert done.code == 0
    link = done.out.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", link)
    assert "2 of 5 rows are judged" in done.err
    assert "error rate  1 of 2 wrong, 50.0% (20.0% to 80.0%)" in done.err
    assert link.split("/")[3] not in done.err
    assert len(store.database.rows(select(ReviewRow))) == 2
    store.close()


@pytest.mark.browser
def test_a_person_judges_on_a_phone(server: ReviewServer, held: Held) -> None:
    rows = ids(drawn_from(held, 8).rows)
    trouble: list[str] = []
    with opened() as browser:
        context = browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True)
        page = context.new_page()
        page.on("console", lambda one: trouble.append(one.text))
        page.on("pageerror", lambda one: trouble.append(str(one)))
        page.set_default_timeout(20_000)
        page.goto(server.url)
        page.fill("#name", "ana")
        page.click("text=Begin")
        page.wait_for_selector(".answer")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("() => [...document.querySelectorAll('#keys button')].every((b) => b.offsetHeight >= 44)")
        assert page.get_attribute(".answer", "dir") == "auto"
        page.click("[data-do=no]")
        page.locator("#line", has_text="1 of 8 · ana · 1 no").wait_for()
        page.reload()
        page.locator("#row", has_text=rows[1]).wait_for()
        page.keyboard.press("r")
        page.fill("#words", "So it is.")
        page.click("text=Save")
        page.locator("#line", has_text="2 of 8").wait_for()
        page.keyboard.press("u")
        page.locator("#line", has_text="1 of 8").wait_for()
        context.close()
    assert trouble == []
    stored = {row.subject_id: row for row in held.store.database.rows(select(ReviewRow))}
    assert (stored[rows[0]].decision, stored[rows[1]].wording) == ("reject", "So it is.")
    assert stored[rows[1]].withdrawn_at
