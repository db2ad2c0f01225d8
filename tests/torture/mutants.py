"""What `tests.torture.mutations` breaks, and the tests that must see it. Data alone.

What is replaced is kept short, so that it outlives changes around it; where it is gone, `test_mutations` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

Change = tuple[str, str, str]
"""File, what stands there exactly once, and what is to stand there."""


@dataclass(frozen=True)
class Mutation:
    """A guarantee that is taken back."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]
    """Node ids; one of them at least must fail."""


def one(name: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    return Mutation(name, ((f"culturepark/{file}", old, new),), tuple(f"tests/{test}" for test in tests))


G = "torture/test_guarantees.py::"
GROUPED = f"{G}test_no_question_is_trained_and_validated_on_whatever_the_runs_call_it"
CUT = f"{G}test_wherever_an_error_is_cut_nothing_of_a_key_is_left"
SPEC = f"{G}test_a_model_that_is_no_spec_is_cut_behind_the_password_in_it"
BUG = f"{G}test_a_bug_is_told_and_stored_without_the_key_in_it"
SPELT = f"{G}test_no_log_probabilities_spell_a_key"
BROKEN_EXPORT = f"{G}test_an_export_that_was_killed_is_known_for_broken_and_any_other_takes_its_place"
BROKEN_REPORT = f"{G}test_a_report_that_breaks_off_leaves_the_one_before_and_no_half_of_the_new"
RIVALS = f"{G}test_what_may_repeat_either_of_two_rivals_repeats_neither_whoever_speaks_first"
LOCK = f"{G}test_a_run_that_is_let_go_is_never_held_by_two"
DISK = f"{G}test_every_commit_of_every_command_waits_for_the_disk"
STAGE = f"{G}test_a_stage_is_done_and_marked_as_done_at_once"
REVIEW = f"{G}test_a_review_and_what_follows_from_it_come_at_once"
BILL = f"{G}test_every_request_that_an_endpoint_has_heard_has_a_row_whatever_becomes_of_the_process"
KEPT_FIRST = f"{G}test_a_turn_is_kept_before_the_next_one_is_asked_for"
SIDE_TAKEN = (
    "export/test_preference.py::test_which_side_an_answer_takes_follows_from_its_speakers_stance_and_the_verdict"
)
TRACED = "run/test_run_on_endpoint.py::test_the_quickstart_keeps_samples_and_every_sample_is_traced"
MEMO = "models/test_wire.py::test_an_answered_call_is_never_sent_again"
OTHER_CALL = "models/test_wire.py::test_another_subject_or_another_seed_is_another_call"
BUDGET = "models/test_wire.py::test_a_budget_of_tokens_stops_before_the_next_call"
LIMIT = "run/test_run_on_endpoint.py::test_a_limit_on_tokens_is_exit_4_and_a_higher_one_finishes"
MIGRATED = "store/test_store_faults.py::test_a_migration_killed_at_every_statement_in_turn_is_whole_in_the_end"
MIGRATED_LATER = (
    "store/test_store_faults.py::"
    "test_a_later_migration_killed_at_every_statement_in_turn_keeps_the_rows_and_is_done_once"
)
REJECTED = "store/test_reviews.py::test_a_rejected_turn_takes_its_samples_along_but_for_those_its_reviewer_accepts"
SECOND = "run/test_run_on_endpoint.py::test_a_run_that_is_going_on_cannot_be_carried_on_by_another_process"
OWNERS = "store/test_store.py::test_the_file_is_its_owners_alone_and_its_folder_is_made"
PLANNED = "store/test_store.py::test_a_run_that_is_broken_off_while_it_is_written_does_not_exist"
SETTLED = "            session.add(row)\n            settle_turn(session, turn_of(subject_id))\n        return row"
APART = "        with self.database.writing() as session:\n"

MUTATIONS = (
    # --- rows are held out by question
    one("held out without groups", "export/writer.py", "    group = groups(questions)\n",
        "    group = {name: name for name in rows}\n", GROUPED),
    one("groups by key alone", "export/writer.py", 'f"?{key(question)}"', 'f"?{seed_key}"', GROUPED),
    one("groups by the very letters", "export/writer.py", 'f"?{key(question)}"', 'f"?{question}"', GROUPED),
    one("writer asks for no questions", "export/writer.py", "source.questions()", "[(k, k) for k in counts]", GROUPED),
    one("rows held out one by one", "export/writer.py", "row.seed_key in held",
        "hash(tuple(row.ids.values())) % 2", GROUPED,
        "export/test_export.py::test_a_split_keeps_whole_seeds_on_one_side"),
    one("nothing left to train on", "export/writer.py", "len(held) + 1 == len(rows)", "len(held) == len(rows)",
        "export/test_export.py::test_a_split_leaves_a_seed_on_each_side_however_lopsided"),
    # --- secrets
    one("cut, then redacted", "redact.py", "    cleaned = redact(text[: most + longest])",
        "    return redact(text[:most])\n    cleaned = redact(text[: most + longest])", SPEC,
        f"{G}test_a_file_that_holds_the_key_is_quoted_without_it"),
    one("an endpoint's words cut, then redacted", "models/wire_errors.py", "shortened(str(said), 10_000)",
        "shortened(str(said)[:200], 10_000)", CUT),
    one("half a secret at the end of a long text", "redact.py", "else cleaned[:-longest])[:most]", "else cleaned)",
        CUT, f"{G}test_the_beginning_of_a_text_never_ends_in_half_a_secret"),
    one("a bug's words cut, then redacted", "run/pipeline.py",
        'storable(redact(f"{type(bug).__name__}: {bug}"))[:500]',
        'storable(redact(f"{type(bug).__name__}: {bug}"[:500]))', BUG),
    one("a bug's words cut on the screen, then redacted", "cli/app.py",
        'safe(redact(f"{type(error).__name__}: {error}"))[:300]',
        'safe(redact(f"{type(error).__name__}: {error}"[:300]))', BUG),
    one("what a file holds cut, then redacted", "files.py", "shortened(whole, width + 1)", "whole[: width + 1]",
        f"{G}test_a_file_that_holds_the_key_is_quoted_without_it"),
    one("a spec cut, then redacted", "models/spec.py", "model spec {shortened(text, 100)!r} for the",
        "model spec {text[:100]!r} for the", SPEC),
    one("errors as they are", "errors.py", "redact(message)", "message", CUT,
        "doors/test_secrets.py::test_a_message_shows_no_password_of_a_url"),
    one("log-probabilities kept", "models/replies.py", 'choice.pop("logprobs", None)', "pass", SPELT),
    one("log-probabilities kept beside a clean text", "models/replies.py", " or spells_a_secret(choice)", "", SPELT),
    one("answers as they are", "models/client.py", "scrubbed(await assemble(", "dict(await assemble(",
        SPELT, "doors/test_secrets.py::test_a_key_in_what_people_say_is_taken_out_before_anything_is_made_of_it"),
    one("the manifest tells the command as it was", "export/writer.py", "redact(command)", "command",
        "doors/test_secrets.py::test_an_export_does_not_tell_how_its_store_was_reached"),
    # --- files
    one("manifest last", "export/writer.py", "[MANIFEST, *names, CARD]", "[*names, CARD, MANIFEST]", BROKEN_EXPORT),
    one("manifest after the rows", "export/writer.py", "[MANIFEST, *names, CARD]", "[*names, MANIFEST, CARD]",
        BROKEN_EXPORT),
    one("what a killed export left is somebody else's", "export/files.py",
        "all(path.name.startswith(aside) for path in out.iterdir())", "not any(out.iterdir())", BROKEN_EXPORT),
    one("files of the older export stay", "export/files.py", "        (out / name).unlink(missing_ok=True)\n",
        "        pass\n", BROKEN_EXPORT,
        "export/test_export.py::test_another_export_into_the_folder_replaces_the_first"),
    Mutation("report in place", (
        (
            "culturepark/report/page.py",
            "os.open(aside, os.O_CREAT | os.O_EXCL",
            "os.open(real, os.O_CREAT | os.O_TRUNC",
        ),
        ("culturepark/report/page.py", "            aside.replace(real)\n", ""),
    ), (f"tests/{BROKEN_REPORT}",)),
    one("half a report is put in place", "report/page.py", "            aside.replace(real)\n        finally:\n",
        "        finally:\n            aside.replace(real)\n", BROKEN_REPORT),
    # --- duplicates and pairs
    one("rivals of the one alone", "distill/dedup.py",
        "not self.taken(one, other, close, floor) and not self.taken(other, one, close, floor)",
        "not self.taken(one, other, close, floor)", RIVALS),
    one("rivals of the other alone", "distill/dedup.py",
        "not self.taken(one, other, close, floor) and not self.taken(other, one, close, floor)",
        "not self.taken(other, one, close, floor)", RIVALS),
    one("both sides of a stance in one block", "distill/dedup.py",
        'SIDES = {1: "plus", -1: "minus", 0: "none"}', 'SIDES = {1: "plus", -1: "plus", 0: "none"}',
        "distill/test_dedup.py::test_opposite_stances_of_one_culture_never_meet_though_each_speaker_holds_to_their_own"),
    one("a pair from one side of the scale", "export/pairs.py",
        "return labels[side], labels[-side]", "return labels[side], labels[side]",
        SIDE_TAKEN),
    one("a quote that begins one letter late", "distill/extract.py", "quote_start=self.quote_start,",
        "quote_start=self.quote_start + 1,", TRACED),
    # --- one process at a time
    one("the lock's file deleted once it is let go", "store/database.py",
        "        with suppress(OSError):\n            Path(path).unlink(missing_ok=True)\n        lock.release()\n",
        "        lock.release()\n        with suppress(OSError):\n            Path(path).unlink(missing_ok=True)\n",
        LOCK),
    one("whoever comes second goes on", "store/database.py", "            if not holds:\n", "            if False:\n",
        SECOND, LOCK),
    # --- transactions
    one("verdicts and their mark apart", "store/store.py",
        "            set_columns(session, dialogue_id, verified=",
        APART + "            set_columns(session, dialogue_id, verified=", STAGE),
    one("statements and their mark apart", "store/store.py",
        "            set_columns(session, dialogue_id, extracted=",
        APART + "            set_columns(session, dialogue_id, extracted=", STAGE),
    one("a review and its samples apart", "store/reviews.py", SETTLED,
        SETTLED.replace("row)\n", "row)\n        with self.store.database.writing() as session:\n"),
        REVIEW),
    one("synchronous off", "store/database.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF", DISK),
    one("synchronous normal", "store/database.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL", DISK),
    # --- calls
    Mutation("the row after the request", (
        ("culturepark/models/ledger.py", "        row = asyncio.ensure_future(self.log.begin(call))\n",
         "        early = await model.send(body)\n        row = asyncio.ensure_future(self.log.begin(call))\n"),
        ("culturepark/models/ledger.py", "            reply = await model.send(body)\n", "            reply = early\n"),
    ), ("tests/models/test_wire.py::test_a_call_has_its_row_while_it_is_under_way",)),
    one("an answered call is asked again", "models/ledger.py", "self.log.answered(subject_id, request_digest)",
        "None", MEMO),
    one("an answer to another subject will do", "store/journal.py",
        "WHERE subject_id = :subject_id AND request_digest", "WHERE request_digest", OTHER_CALL),
    one("the budget is not looked at", "models/ledger.py", "self.budget.check()", "pass",
        BUDGET),
    one("the budget forgets what was spent", "run/pipeline.py", "budget = store.spent(row.id)",
        "budget = type(store.spent(row.id))()", LIMIT),
    one("Retry-After is not heard", "models/ledger.py", "if error.retry_after is not None:", "if False:",
        "models/test_wire.py::test_the_servers_wish_to_wait_is_heard"),
    one("a long rest is waited for", "models/ledger.py", "> LONGEST_WISH", "> 1e9",
        "models/test_wire.py::test_an_endpoint_that_wants_a_long_rest_stops_the_run_at_once"),
    one("the client library tries again on its own", "models/client.py", "max_retries=0", "max_retries=2",
        "models/test_wire.py::test_the_client_library_tries_nothing_again_on_its_own"),
    one("calls left open are forgotten", "store/store.py",
        "session.execute(left.values(error=INTERRUPTED)", "session.execute(delete(CallLogRow).where(left.whereclause)",
        BILL),
    one("a turn is kept when the next is there", "run/pipeline.py",
        "                await self.store.journal.add_turn(row.id, event)\n",
        "                late, row.error = row.error, event\n"
        "                late and self.store.add_turn(row.id, late)\n",
        KEPT_FIRST),
    one("a plan is made dialogue by dialogue", "store/store.py",
        "    session.add_all(dialogues)\n    session.flush()\n",
        "    session.add_all(dialogues)\n    session.flush()\n    driver = session.connection().exec_driver_sql\n"
        "    driver('COMMIT'), driver('BEGIN')\n",
        PLANNED),
    one("a migration in many transactions", "store/database.py", '    config.attributes["connection"] = connection\n',
        '    config.attributes["connection"] = connection.execution_options(isolation_level="AUTOCOMMIT")\n',
        MIGRATED,
        MIGRATED_LATER),
    one("a store that all may read", "store/database.py", "os.O_WRONLY, 0o600", "os.O_WRONLY, 0o644",
        OWNERS),
    one("rejected samples are exported", "store/standing.py", '("rejected", "review") if', '("kept", "review") if',
        REJECTED),
)  # fmt: skip
"""Each takes one guarantee back; all must turn a test red."""
