"""The HTML of the audit page. All text that is not ours is escaped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from curate.noise.agreement import Agreement
from curate.review.audit.desk import Queue
from curate.review.audit.facts import ClassFacts, Sense
from curate.review.page import percent, text
from curate.stages.audit_progress import Progress

N_TILES = 12
"""Pictures on a page: three rows of four."""

_N_ABOVE = 4
_N_BESIDE = 8
_VERDICTS = (("correct", "Right", "Y"), ("wrong", "Wrong", "N"), ("unsure", "Unsure", "U"))
_KEYS = (
    (("Y", "1"), "right"), (("N", "2"), "wrong"), (("U", "3"), "unsure"), (("Z",), "undo"),
    (("←", "→", "↑", "↓"), "move"), (("Space",), "enlarge"), (("Enter",), "next pictures"), (("?",), "help"),
)  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """What the page of a class shows.

    Attributes:
        queue: The class.
        shown: Images to judge now.
        right: Examples that were judged correct.
        best: Examples that only score well.
        auditor: Who judges.
        token: For the forms.
        target: Precision that is aimed at; None = none.
        following: The class to go on with where nothing of this one is left; None = there is none.
    """

    queue: Queue
    shown: Sequence[str]
    right: Sequence[str]
    best: Sequence[str]
    auditor: str
    token: str
    target: float | None
    following: ClassFacts | None


def class_url(class_key: str, first: str | None = None) -> str:
    """Address of the page of a class, with an image to be shown first."""
    return f"/class/{quote(class_key, safe='')}" + (f"?first={quote(first, safe='')}" if first else "")


def index_page(queues: Sequence[Queue], people: Agreement, auditor: str, target: float | None) -> str:
    """The page of all classes.

    Args:
        queues: The classes in the order of the page.
        people: How far people agree.
        auditor: Who judges.
        target: Precision that is aimed at; None = none.
    """
    n_drawn = sum(queue.progress.n_drawn for queue in queues)
    n_judged = sum(queue.progress.n_judged for queue in queues)
    n_waiting = sum(len(queue.waiting) for queue in queues)
    n_verdicts = sum(queue.progress.n_verdicts for queue in queues)
    n_unsure = sum(queue.progress.n_unsure for queue in queues)
    tiles = [
        (f"{n_judged:,} of {n_drawn:,}", "drawn labels are judged"),
        (f"{n_waiting:,}", "wait for you" if n_waiting else "wait for you: all done"),
        (percent(n_unsure / n_verdicts if n_verdicts else None), "of the verdicts are unsure; they count as wrong"),
        (percent(people.share), _agreement_words(people)),
    ]
    cards = "".join(f'<div class="card"><b>{escape(big)}</b><span>{escape(small)}</span></div>' for big, small in tiles)
    rows = "".join(_index_row(queue, target, is_first=not number) for number, queue in enumerate(queues))
    head = (
        "<tr><th>Class</th><th>Judged</th><th class='n'>For you</th><th>Precision so far, 95 % interval</th>"
        "<th class='n'>Unsure</th><th class='n'>Disputed</th></tr>"
    )
    done = "" if n_waiting else _done_words()
    body = (
        f'<main class="list"><h1>Labels to judge</h1><p class="soft">{_HOW}</p><div class="cards">{cards}</div>{done}'
        f'<div class="scroll"><table class="classes"><thead>{head}</thead><tbody>{rows}</tbody></table></div></main>'
    )
    return _document("Labels to judge", body, auditor)


_HOW = (
    "A random sample of each class was drawn. Look at each picture and say whether it shows what the label says. "
    "What is not judged counts against the class, so finish one class before you begin the next."
)


def class_page(sheet: Sheet) -> str:
    """The page of a class: what it is, pictures to judge, and how far its audit is."""
    queue, name = sheet.queue, sheet.queue.facts.name
    tiles = "".join(_tile(image, queue.facts, sheet.token) for image in sheet.shown)
    n_later = len(queue.waiting) - len(sheet.shown)
    grid = f'<ol class="grid" id="grid">{tiles}</ol>' if tiles else ""
    work = f"{_question(queue.facts)}{grid}{_after_grid(queue, n_later)}" if tiles else _nothing_left(sheet)
    body = (
        f'<main class="work"><aside>{_about(queue.facts)}{_examples(sheet)}'
        f'<section id="progress" aria-live="polite">{progress_panel(queue, sheet.target)}</section></aside>'
        f'<section class="desk" data-class="{escape(queue.facts.class_key)}">{work}{_tools(sheet)}</section></main>'
        f"{_dialogs(name)}"
    )
    return _document(f"{name}: labels to judge", body, sheet.auditor)


def progress_panel(queue: Queue, target: float | None) -> str:
    """How far the audit of a class is; sent anew after every verdict."""
    progress = queue.progress
    share = progress.n_judged / progress.n_drawn if progress.n_drawn else 0.0
    n_waiting = len(queue.waiting)
    said = [f"{n_waiting:,} {'waits' if n_waiting == 1 else 'wait'} for you"]
    if queue.n_others:
        said.append(f"{queue.n_others:,} for another auditor")
    if progress.n_disputed:
        said.append(f"{progress.n_disputed:,} disputed")
    unsure = progress.n_unsure / progress.n_verdicts if progress.n_verdicts else None
    return (
        f'<h2>Progress</h2><p class="figure"><b>{progress.n_judged:,}</b> of {progress.n_drawn:,} judged</p>'
        f'{_bar(share)}<p class="soft">{" · ".join(said)}</p>'
        f'<h2>Precision of the class</h2><p class="figure">{_estimate_words(progress)}</p>'
        f"{_interval(progress, target)}"
        f'<p class="soft">95 % interval of {progress.n_labels:,} labels; what was drawn and is not judged yet counts '
        f"against either end.{_target_words(target)}</p>"
        f'<p class="soft">Unsure: {percent(unsure)} of the verdicts. They count as wrong.</p>'
    )


def error_page(message: str) -> str:
    """A page that says what went wrong."""
    return _document("Error", f'<main class="list"><h1>That did not work</h1><p>{text(message)}</p></main>', "")


def _agreement_words(people: Agreement) -> str:
    if not people.n_pairs:
        return "agreement: no label has two verdicts yet"
    alpha = f", Krippendorff's alpha {people.alpha:.2f}" if people.alpha is not None else ""
    return f"of {people.n_pairs:,} labels judged twice agree{alpha}"


def _target_words(target: float | None) -> str:
    return f' <span class="target"></span>{100 * target:g} % is asked for.' if target else ""


def _index_row(queue: Queue, target: float | None, *, is_first: bool) -> str:
    progress, facts = queue.progress, queue.facts
    unsure = progress.n_unsure / progress.n_verdicts if progress.n_verdicts else None
    kind = f'<span class="kind">{text(facts.above[-1])}</span>' if facts.above else ""
    done = "" if queue.waiting else ' class="done"'
    focus = " autofocus" if is_first and queue.waiting else ""
    return (
        f'<tr{done}><td><a href="{escape(class_url(facts.class_key))}"{focus}>{text(facts.name)}</a>{kind}</td>'
        f"<td>{_bar(progress.n_judged / progress.n_drawn)}"
        f'<span class="small">{progress.n_judged:,} of {progress.n_drawn:,}</span></td>'
        f'<td class="n">{len(queue.waiting):,}</td>'
        f'<td>{_interval(progress, target)}<span class="small">{_estimate_words(progress)}</span></td>'
        f'<td class="n">{percent(unsure)}</td><td class="n">{progress.n_disputed or "–"}</td></tr>'
    )


def _estimate_words(progress: Progress) -> str:
    estimate = progress.estimate
    if not progress.n_judged:
        return "not known yet"
    return f"<b>{_whole(estimate.precision)} %</b> ({_whole(estimate.low)} to {_whole(estimate.high)} %)"


def _whole(share: float) -> str:
    """A share as a whole percentage, 0 and 100 kept for what is exactly that."""
    return str(min(max(round(100 * share), 1 if share > 0 else 0), 99 if share < 1 else 100))


def _bar(share: float) -> str:
    return (
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="100" height="6"/><rect class="full" width="{100 * share:.1f}" height="6"/></svg>'
    )


def _interval(progress: Progress, target: float | None) -> str:
    """A scale from 0 to 1 with the interval, the target, and the estimate if there is one."""
    estimate = progress.estimate
    low, high, middle = 100 * estimate.low, 100 * estimate.high, 100 * estimate.precision
    goal = f'<rect class="goal" x="{100 * target - 0.3:.1f}" y="0" width="0.6" height="14"/>' if target else ""
    point = f'<rect class="point" x="{min(max(middle - 0.6, 0), 98.8):.1f}" y="1" width="1.2" height="12"/>'
    title = f"{_whole(estimate.low)} to {_whole(estimate.high)} %" + (f", target {100 * target:g} %" if target else "")
    return (
        '<svg class="interval" viewBox="0 0 100 14" preserveAspectRatio="none" role="img" '
        f'data-low="{estimate.low:.4f}" data-high="{estimate.high:.4f}"><title>{title}</title>'
        '<rect class="rail" y="4" width="100" height="6"/>'
        f'<rect class="band" x="{low:.1f}" y="4" width="{max(high - low, 0.5):.1f}" height="6"/>{goal}'
        f"{point if progress.n_judged else ''}</svg>"
    )


def _about(facts: ClassFacts) -> str:
    above = " › ".join(text(name) for name in facts.above[-_N_ABOVE:])
    senses = "".join(_sense(sense, facts.name) for sense in facts.senses)
    beside = [name for name in facts.beside if name != facts.name][:_N_BESIDE]
    other = f'<p class="not"><b>Not</b> {_names(facts.namesakes)}</p>' if facts.namesakes else ""
    other += f'<p class="soft">Easily taken for: {_names(beside)}</p>' if beside else ""
    kind = f'<p class="soft">{above}</p>' if above else ""
    return f'<section class="about"><h1>{text(facts.name)}</h1>{kind}{senses}{other}</section>'


def _sense(sense: Sense, name: str) -> str:
    words = [word for word in sense.words if word.lower() != name.lower()]
    said = f'<p class="gloss">{text(sense.gloss)}</p>' if sense.gloss else ""
    return said + (f'<p class="soft">Also: {_names(words)}</p>' if words else "")


def _names(names: Iterable[str]) -> str:
    return ", ".join(text(name) for name in names)


def _examples(sheet: Sheet) -> str:
    key = sheet.queue.facts.class_key
    parts = []
    for title, images in (("Judged right", sheet.right), ("Best scored, nobody looked", sheet.best)):
        urls = [_image_url("small", image_id, key) for image_id in images]
        shown = "".join(f'<li><img src="{url}" alt="" loading="lazy"></li>' for url in urls)
        parts.append(f'<h2>{title}</h2><ul class="strip">{shown}</ul>' if shown else "")
    return f'<section class="examples">{"".join(parts)}</section>'


def _question(facts: ClassFacts) -> str:
    kind = f" <span>({text(facts.above[-1])})</span>" if facts.above else ""
    return f'<p class="question">Does the picture show <b>{text(facts.name)}</b>{kind}?</p>'


def _tile(image_id: str, facts: ClassFacts, token: str) -> str:
    buttons = "".join(
        f'<button name="verdict" value="{value}" class="{value}" tabindex="-1">{label}<kbd>{key}</kbd></button>'
        for value, label, key in _VERDICTS
    )
    return (
        f'<li class="tile" tabindex="0" data-image="{escape(image_id)}" aria-label="picture to judge">'
        f'<div class="shot"><img src="{_image_url("small", image_id, facts.class_key)}" '
        f'data-large="{_image_url("large", image_id, facts.class_key)}" alt="picture to judge" draggable="false">'
        '<span class="mark" aria-live="polite"></span></div>'
        f'<form method="post" action="/verdict"><input type="hidden" name="token" value="{escape(token)}">'
        f'<input type="hidden" name="class_key" value="{escape(facts.class_key)}">'
        f'<input type="hidden" name="image_id" value="{escape(image_id)}">{buttons}</form></li>'
    )


def _image_url(size: str, image_id: str, class_key: str) -> str:
    return escape(f"/image/{size}/{quote(image_id, safe='')}/{quote(class_key, safe='')}")


def _after_grid(queue: Queue, n_later: int) -> str:
    here = escape(class_url(queue.facts.class_key))
    label = f"Next {min(n_later, N_TILES)}" if n_later else "Finish"
    return f'<a class="next" id="next" href="{here}" hidden>{label}<kbd>Enter</kbd></a>'


def _tools(sheet: Sheet) -> str:
    keys = "".join(
        f"<span>{''.join(f'<kbd>{escape(key)}</kbd>' for key in keys if not key.isdigit())} {escape(what)}</span>"
        for keys, what in _KEYS
    )
    return (
        '<form class="tools" method="post" action="/undo" id="undo">'
        f'<input type="hidden" name="token" value="{escape(sheet.token)}">'
        f'<input type="hidden" name="class_key" value="{escape(sheet.queue.facts.class_key)}">'
        f'<button>Undo<kbd>Z</kbd></button><p class="problem" id="problem" role="alert" hidden></p>'
        f'<p class="keys">{keys}</p></form>'
    )


def _dialogs(name: str) -> str:
    keys = "".join(
        f"<tr><td>{' '.join(f'<kbd>{escape(key)}</kbd>' for key in keys)}</td><td>{escape(what)}</td></tr>"
        for keys, what in _KEYS
    )
    return (
        f'<dialog id="large"><p><b>{text(name)}</b>?</p><img alt="the picture, enlarged">'
        "<p class='soft'><kbd>Y</kbd> right <kbd>N</kbd> wrong <kbd>U</kbd> unsure <kbd>Space</kbd> back</p></dialog>"
        f'<dialog id="help"><h2>Keys</h2><table>{keys}</table>'
        "<p class='soft'>A click on a picture enlarges it; the buttons below it do what the keys do.</p></dialog>"
    )


def _nothing_left(sheet: Sheet) -> str:
    queue, after = sheet.queue, sheet.following
    others = ""
    if queue.n_others:
        others = f"<p>{queue.n_others:,} of them wait for another auditor (<code>--auditor NAME</code>).</p>"
    url, label = (class_url(after.class_key), f"Next class: {text(after.name)}") if after else ("/", "All classes")
    return (
        f'<div class="finished"><h2>Nothing of this class waits for you</h2>'
        f"<p>{queue.progress.n_judged:,} of {queue.progress.n_drawn:,} drawn labels are judged.</p>{others}"
        f'<p><a class="next" id="next" href="{escape(url)}">{label}<kbd>Enter</kbd></a></p></div>'
    )


def _done_words() -> str:
    return (
        '<div class="finished"><h2>Nothing waits for you</h2><p>What next: <code>curate estimate-noise</code>, then '
        "<code>curate build-manifest --min-precision 0.8 --evidence audited</code>. If a class is left undecided, "
        "<code>curate audit sample --more</code> doubles its sample.</p></div>"
    )


def _document(title: str, body: str, auditor: str) -> str:
    who = f'<span class="who">judging as <b>{text(auditor)}</b></span>' if auditor else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="/icon.svg">'
        '<link rel="stylesheet" href="/page.css"><script src="/page.js" defer></script></head>'
        f'<body><header><a href="/">curate audit</a>{who}</header>{body}</body></html>\n'
    )
