"""What a person who judges is working on: the pairs that wait for them, what they said, and how far the audit is."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from curate.errors import MissingInputError
from curate.noise.agreement import Agreement, is_correct, wants_another, wants_second
from curate.review.audit.facts import ClassFacts, read_facts, read_places
from curate.review.audit.journal import Journal, read_journals, signature
from curate.review.pairs import Place
from curate.stages.audit_progress import (
    Drawn,
    Progress,
    class_progress,
    overall_agreement,
    read_drawn,
    read_standing,
)
from curate.stages.audits import OPTIONAL, READS
from curate.stages.verdicts import Standing, named_verdict, said
from curate.store import Workspace

N_EXAMPLES = 6
_READS = (*READS, "sources")
_OPTIONAL = (*OPTIONAL, "class_members", "class_parents", "lemmas", "synsets")


@dataclass(frozen=True)
class Queue:
    """A class as one auditor sees it.

    Attributes:
        facts: What the class is.
        progress: How far its audit is, over all auditors.
        waiting: Images that wait for this auditor, in the order in which to judge.
        n_own: Pairs that this auditor judged.
        n_others: Pairs that wait for another auditor only.
    """

    facts: ClassFacts
    progress: Progress
    waiting: Sequence[str]
    n_own: int
    n_others: int


@dataclass
class _Known:
    """What was read of the workspace, and from which version of it."""

    labels_version: object = None
    verdicts_version: object = None
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    standing: Standing = field(default_factory=dict)
    facts: Mapping[str, ClassFacts] = field(default_factory=dict)
    places: dict[tuple[str, str], Place] = field(default_factory=dict)


class Desk:
    """The desk of one auditor. Its methods may be called from several threads.

    Args:
        store: The workspace.
        journal: Where verdicts go; None = nothing can be judged here.
        auditor: Who judges.
        second_share: Share of the pairs that two people judge, in [0, 1].
    """

    def __init__(self, store: Workspace, journal: Journal | None, auditor: str, second_share: float) -> None:
        self.auditor, self.second_share = auditor, second_share
        self._store, self._journal = store, journal
        self._lock = threading.Lock()
        self._known = _Known()
        self._last = datetime(1970, 1, 1)
        self.refresh()

    def refresh(self) -> None:
        """Read again what others have changed: samples, labels, verdicts."""
        with self._lock:
            known, digests = self._known, self._store.digests()
            journals = [(name, size) for name, size in signature(self._store.folder) if not self._is_own(name)]
            verdicts_version = (journals, digests.get("audits"))
            labels_version = {name: digests.get(name) for name in (*_READS, *_OPTIONAL) if name != "audits"}
            if labels_version != known.labels_version:
                with self._store.tables(_READS, _OPTIONAL).connect() as con:
                    drawn = read_drawn(con)
                    known = _Known(labels_version, None, drawn, {}, read_facts(con, list(drawn)))
            if verdicts_version != known.verdicts_version:
                # Journals first: a verdict that is moved to the table meanwhile is seen twice rather than not at all.
                waiting = [row for found in read_journals(self._store.folder) for row in found.rows]
                known.standing = read_standing(self._store.tables(_READS, _OPTIONAL), known.drawn, waiting)
                known.verdicts_version = verdicts_version
            self._known = known

    def queues(self) -> list[Queue]:
        """All classes of which pairs were drawn: those with work for this auditor first, then by name."""
        with self._lock:
            found = [self._queue(key) for key in self._known.drawn]
        return sorted(found, key=lambda each: (not each.waiting, each.facts.name, each.facts.class_key))

    def queue(self, class_key: str) -> Queue:
        """A class.

        Raises:
            MissingInputError: Nothing of it was drawn.
        """
        with self._lock:
            return self._queue(class_key)

    def agreement(self) -> Agreement:
        """How far people agree, over all classes."""
        with self._lock:
            return overall_agreement(self._known.drawn, self._known.standing)

    def examples(self, class_key: str) -> tuple[list[str], list[str]]:
        """Images to compare with: judged correct by now, and best scored among those that nobody is asked about.

        None of them waits for this auditor, and none shows what others said of one that does.
        """
        with self._lock:
            drawn = self._drawn(class_key)
            waiting = set(self._turns(class_key)[0])
            verdicts = {i: said(self._known.standing.get((i, class_key), {})) for i in drawn.samples}
            right = [i for i, of_pair in verdicts.items() if i not in waiting and is_correct(of_pair)][:N_EXAMPLES]
            # Labels lie in order of image_id, so that equal scores do, too; no score is NaN and comes last.
            p = drawn.labels.p_correct
            places = np.argsort(-p, kind="stable")[: N_EXAMPLES + len(verdicts)]
            best = drawn.labels.image_ids.take(places[~np.isnan(p[places])]).to_pylist()
            return right, [image_id for image_id in best if image_id not in verdicts][: N_EXAMPLES - len(right)]

    def judge(self, class_key: str, image_id: str, verdict: str) -> Queue:
        """Save a verdict; a second one of this auditor on a pair replaces the first.

        Raises:
            MissingInputError: The pair was not drawn.
            WorkspaceError: It cannot be saved.
        """
        with self._lock:
            self._say(class_key, image_id, verdict)
            return self._queue(class_key)

    def undo(self, class_key: str) -> tuple[str | None, Queue]:
        """Take back the last verdict of this auditor on a class that is still there; again for the one before it.

        Returns:
            The image that waits again, None where there is nothing to take back; and the class.

        Raises:
            MissingInputError: Nothing of the class was drawn.
            WorkspaceError: It cannot be saved.
        """
        with self._lock:
            own = [
                (row["audited_at"], image_id)
                for image_id in self._drawn(class_key).samples
                if (row := self._own(class_key, image_id)) and row["verdict"] != "withdrawn"
            ]
            image_id = max(own)[1] if own else None
            if image_id:
                self._say(class_key, image_id, "withdrawn")
            return image_id, self._queue(class_key)

    def place(self, class_key: str, image_id: str) -> Place:
        """Where an image with a label of a class lies.

        Raises:
            MissingInputError: There is no such label.
        """
        with self._lock:
            known, pair = self._known, (class_key, image_id)
            if pair not in known.places:
                drawn = self._drawn(class_key)
                is_label = drawn.labels.image_ids.index(image_id).as_py() >= 0
                wanted = {*drawn.samples, *[image_id] * is_label}
                with self._store.tables(("images", "sources")).connect() as con:
                    found = read_places(con, sorted(wanted))
                known.places.update({(class_key, each): place for each, place in found.items()})
            if pair not in known.places:
                raise MissingInputError(f"no image '{image_id}' of class '{class_key}'")
            return known.places[pair]

    def _is_own(self, journal: str) -> bool:
        return self._journal is not None and self._journal.path.name == journal

    def _drawn(self, class_key: str) -> Drawn:
        if class_key not in self._known.drawn:
            raise MissingInputError(f"no label of class '{class_key}' was drawn", fix="Run 'curate audit sample'.")
        return self._known.drawn[class_key]

    def _own(self, class_key: str, image_id: str) -> dict[str, Any] | None:
        return self._known.standing.get((image_id, class_key), {}).get(self.auditor)

    def _queue(self, class_key: str) -> Queue:
        progress = class_progress(self._drawn(class_key), self._known.standing)
        return Queue(self._known.facts[class_key], progress, *self._turns(class_key))

    def _turns(self, class_key: str) -> tuple[list[str], int, int]:
        """Images that wait for this auditor, how many pairs they judged, and how many of these wait for another."""
        waiting, n_own, n_others = [], 0, 0
        for image_id in self._drawn(class_key).samples:
            of_pair = self._known.standing.get((image_id, class_key), {})
            row = of_pair.get(self.auditor)
            is_own = row is not None and row["verdict"] != "withdrawn"
            is_open = wants_another(said(of_pair), wants_second(image_id, class_key, self.second_share))
            n_own += is_own
            n_others += is_own and is_open
            if is_open and not is_own:
                waiting.append(image_id)
        return waiting, n_own, n_others

    def _say(self, class_key: str, image_id: str, verdict: str) -> None:
        drawn = self._drawn(class_key)
        if image_id not in drawn.samples or self._journal is None:
            raise MissingInputError(f"image '{image_id}' of class '{class_key}' was not drawn")
        earlier = self._own(class_key, image_id)
        if earlier and earlier["verdict"] == verdict:
            return
        # The later of two verdicts counts, even where the clock was set back.
        times = [datetime.now(UTC).replace(tzinfo=None), self._last + timedelta(microseconds=1)]
        self._last = max(*times, *_after(earlier))
        row = named_verdict(
            {
                "sample_id": drawn.samples[image_id],
                "image_id": image_id,
                "class_key": class_key,
                "image_sha256": drawn.labels.sha256[drawn.rows[image_id]].as_py(),
                "verdict": verdict,
                "auditor": self.auditor,
                "audited_at": self._last,
                "supersedes": earlier["verdict_id"] if earlier else None,
            }
        )
        self._journal.append(row)
        of_pair = self._known.standing.setdefault((image_id, class_key), {})
        of_pair.pop(self.auditor, None)
        of_pair[self.auditor] = row


def _after(row: Mapping[str, Any] | None) -> Iterable[datetime]:
    return [row["audited_at"] + timedelta(microseconds=1)] if row else []
