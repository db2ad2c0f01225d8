"""Sends an export to the Hugging Face hub as a data set, in one commit; private unless asked otherwise."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from culturepark.errors import Lacking, Unreachable, UsageError
from culturepark.export.files import CARD, MANIFEST, files_named_by
from culturepark.export.manifest import Manifest
from culturepark.glossary import counted
from culturepark.models.extras import how_to_install
from culturepark.redact import remember, shortened

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEW = {".gitattributes"}
"""Files that the hub itself puts into a new data set."""
REFUSED = {
    401: "the hub does not take the token; huggingface.co/settings/tokens makes one that may write",
    403: "the token may not write there; it needs write access to {owner}",
    404: "the hub knows no such place; is {owner} spelled right, and is the token's owner a member of it?",
    429: "the hub has had too many requests; wait a while",
}
"""What an HTTP status of the hub means."""


@dataclass(frozen=True)
class Sender:
    """Sends exports to one data set on the hub."""

    repository: str
    public: bool
    api: HfApi

    def send(self, folder: Path, manifest: Manifest, agreed: Callable[[str], bool]) -> str:
        """Send the files that a manifest names, once it is agreed to; return the address of the data set.

        What an earlier export left in the data set, and this one has not, is deleted by the same commit.

        Args:
            agreed: asked with what will be sent, and where, before anything leaves the machine.
        Raises:
            UsageError: if it is not agreed to, or the data set holds anything else, or is public already.
            Unreachable: if the hub cannot be reached, or refuses.
        """
        names = [*manifest.file_names, MANIFEST, CARD]
        if not agreed(self.question(folder, names, manifest)):
            raise UsageError(f"nothing was sent to the hub; the files are in {folder}")
        return self.asking(lambda: self.sent(folder, names))

    def question(self, folder: Path, names: list[str], manifest: Manifest) -> str:
        size = sum((folder / name).stat().st_size for name in names) / 1e6
        seen = "PUBLIC, for everybody to read" if self.public else "private"
        return (
            f"send {counted(len(names), 'file')} ({size:.1f} MB, {counted(manifest.rows, 'row')}) to the data set "
            f"{self.repository} at {self.api.endpoint}, {seen}?"
        )

    def sent(self, folder: Path, names: list[str]) -> str:
        from huggingface_hub.errors import RepositoryNotFoundError

        at: Any = {"repo_id": self.repository, "repo_type": "dataset"}
        stale: list[str] = []
        closed = True
        self.api.whoami()  # what is wrong with a token is said of the token, not of the data set
        try:
            found = self.api.dataset_info(self.repository)
        except RepositoryNotFoundError:
            self.api.create_repo(**at, private=not self.public)
            closed = not self.public
        else:
            closed = bool(found.private)
            if not (closed or self.public):
                raise UsageError(f"{self.repository} is public already: say --public, or name another data set")
            stale = sorted(self.older({file.rfilename for file in found.siblings or ()}) - {*names})
        self.api.upload_folder(
            **at,
            folder_path=folder,
            allow_patterns=names,
            delete_patterns=stale,
            commit_message="Export of culturepark",
        )
        if closed and self.public:
            self.api.update_repo_settings(**at, private=False)
        return f"{self.api.endpoint}/datasets/{self.repository}"

    def older(self, there: set[str]) -> set[str]:
        """Return the files of the export in a data set, which a new one replaces."""
        if there <= NEW:
            return set()
        named = None
        if MANIFEST in there:
            with tempfile.TemporaryDirectory() as scratch:
                got = self.api.hf_hub_download(self.repository, MANIFEST, repo_type="dataset", local_dir=scratch)
                named = files_named_by(Path(str(got)).read_bytes())
        if named is None:
            raise UsageError(f"{self.repository} holds other files than an export; name a new data set")
        return named & there

    def asking(self, work: Callable[[], str]) -> str:
        """
        Raises:
            Unreachable: if the hub cannot be reached, or refuses.
        """
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

        try:
            return work()
        except OfflineModeIsEnabled:
            why = "HF_HUB_OFFLINE is set"
        except HFValidationError as error:
            raise UsageError(f"--push {self.repository}: {first_line(error)}") from None
        except HfHubHTTPError as error:
            status = error.response.status_code
            said = REFUSED.get(status, "").format(owner=self.repository.partition("/")[0]) or first_line(error)
            why = f"{said} (HTTP {status})"
        except (httpx2.HTTPError, OSError, ValueError) as error:
            why = f"{self.api.endpoint} cannot be reached, or gave no proper answer: {first_line(error)}"
        raise Unreachable(f"not sent to {self.repository}: {why}; the export is complete, only the sending failed")


def sender(repository: str, public: bool) -> Sender:
    """
    Raises:
        UsageError: if it is no name of a data set.
        Lacking: if the package or a token is missing.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", repository, re.ASCII):
        raise UsageError(f"--push {repository[:60]!r}: ORGANISATION/NAME is wanted, or YOUR-NAME/NAME")
    try:
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError:
        raise Lacking(f"--push needs the extra `hub`: {how_to_install('hub')}") from None
    token = get_token()
    remember(token)  # an error may repeat it
    if not token:
        raise Lacking("--push needs a token of the hub that may write: `hf auth login` keeps one, or HF_TOKEN names it")
    disable_progress_bars()
    return Sender(repository, public, HfApi(token=token, library_name="culturepark"))


def before_it_is_sent(manifest: Manifest, public: bool) -> Iterator[str]:
    """Yield what somebody should know who gives an export away."""
    if manifest.licence is None:
        yield "the card names no licence, so nobody may use the rows; --license ID names one"
    if typed := manifest.by_hand.typed.rows:
        yield f"{counted(typed, 'row holds', 'rows hold')} what a real person typed in a talk, word for word"
    if manifest.reviews.reviewers:
        yield f"{MANIFEST} names the reviewers: {', '.join(manifest.reviews.reviewers)}"
    if manifest.labels and manifest.labels.people:
        yield f"the index of each file names the raters: {counted(manifest.labels.people, 'person', 'people')}"
    if public:
        yield f"{MANIFEST} and the card name the models, their addresses and the command line; everybody will read them"


def first_line(error: Exception) -> str:
    return shortened((str(error).strip().splitlines() or [type(error).__name__])[0], 300)
