"""The command that takes judgements of labelling tools into a store: import-reviews."""

import json
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli.options import STORE, Json, StoreUrl

app = typer.Typer()
NAMED = 5
"""Places that are named for each reason; --json has all."""


@app.command(
    "import-reviews",
    epilog="""\b
What Label Studio exported as JSON, each annotator under the mail address that the file has:
Example: culturepark import-reviews project-1.json
\b
What Argilla wrote with `to_disk`; it names users by ids alone:
Example: culturepark import-reviews runs/judged --reviewer 1b4e28ba-2fa1-11d2-883f-0016d3cca427=anna
""",
)
def import_reviews(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="JSON or JSON-MIN of Label Studio; records.json, or its folder, of Argilla."
        ),
    ],
    reviewer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|USER=NAME", help="Who judged: everybody, or one user of the tool. Repeatable."),
    ] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Take in what people judged in Label Studio or Argilla, as reviews; importing a file twice adds nothing."""
    from culturepark.errors import UsageError
    from culturepark.export.judgements import TROUBLES, read_judgements
    from culturepark.export.judgements import import_reviews as take_in
    from culturepark.glossary import counted
    from culturepark.store.recorded import store_with
    from culturepark.store.reviewer import named
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    by_user = {user: named(name) for user, is_one, name in map(split, reviewer or ()) if is_one}
    everybody = [named(name) for name, is_one, _ in map(split, reviewer or ()) if not is_one]
    if len(everybody) > 1:
        raise UsageError("--reviewer NAME says who judged all of it; for several people, --reviewer USER=NAME")
    read = read_judgements(file, by_user, everybody[0] if everybody else None)
    samples = {one.task.sample for one in read.judgements}
    store = Store(store_with(store_url, *sorted(samples)), must_exist=True)
    taken = take_in(store, read)
    if as_json:
        write(json.dumps(taken.as_json()))
    for why, places in taken.troubles.items():
        more = f", and {len(places) - NAMED} more" if len(places) > NAMED else ""
        tell(f"note: {counted(len(places), 'judgement')} {TROUBLES[why]}: {'; '.join(places[:NAMED])}{more}")
    for line in taken.summary():
        tell(line)
    if ids := sorted({one.by_id for one in read.judgements if one.by_id}):
        more = ", ..." if len(ids) > NAMED else ""
        tell(f"note: reviewers are named by ids ({', '.join(ids[:NAMED])}{more}); `--reviewer ID=NAME` names them")
    if taken.troubles and not taken.added and not taken.known:
        raise UsageError(f"{file}: nothing in it could be taken in")
    return 0


def split(given: str) -> tuple[str, str, str]:
    """Return user, `=` and name; of a name alone the name and two empty texts."""
    return given.partition("=")
