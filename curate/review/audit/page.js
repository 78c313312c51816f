"use strict";
// Keys and unseen saving. Without this script the page works through its buttons.
(() => {
  const KEYS = { y: "correct", 1: "correct", n: "wrong", 2: "wrong", u: "unsure", 3: "unsure" };
  const MARKS = { correct: "✓ right", wrong: "✗ wrong", unsure: "? unsure" };
  const RESTART = "The server has ended. What is marked is saved. Start 'curate audit serve' and open the address that it prints.";
  const tiles = [...document.querySelectorAll(".tile")];
  const next = document.getElementById("next");
  const undoForm = document.getElementById("undo");
  const problem = document.getElementById("problem");
  const large = document.getElementById("large");
  const help = document.getElementById("help");
  let current = 0;
  let waiting = 0; // verdicts on their way
  let isLeaving = false;
  let saving = Promise.resolve(); // one after the other, so that an undo meets what it undoes

  let isHeld = false; // all is judged: a verdict key must not change the last one unless one moves to it

  const focus = (index) => {
    if (!tiles.length) return;
    isHeld = false;
    current = Math.max(0, Math.min(index, tiles.length - 1));
    tiles.forEach((tile, i) => tile.classList.toggle("current", i === current));
    tiles[current].focus({ preventScroll: true });
    tiles[current].scrollIntoView({ block: "nearest" });
    if (large.open) large.querySelector("img").src = tiles[current].querySelector("img").dataset.large;
  };

  const isOpen = (tile) => !tile.dataset.verdict;

  const advance = () => {
    const order = [...tiles.keys()].map((step) => (current + 1 + step) % tiles.length);
    const open = order.find((index) => isOpen(tiles[index]));
    if (open !== undefined) return focus(open);
    showNext();
    if (large.open) large.close();
    isHeld = true;
    tiles[current].classList.remove("current");
    next.focus();
  };

  const showNext = () => {
    if (!next || !tiles.length) return;
    next.hidden = tiles.some(isOpen);
    document.body.classList.toggle("all-judged", !next.hidden);
  };

  const mark = (tile, verdict, state) => {
    if (verdict) tile.dataset.verdict = verdict;
    else delete tile.dataset.verdict;
    tile.dataset.state = state;
    tile.querySelector(".mark").textContent = verdict ? MARKS[verdict] : "";
    showNext();
  };

  const say = (message) => {
    problem.textContent = message;
    problem.hidden = !message;
  };

  const post = async (form, more) => {
    const fields = new URLSearchParams(new FormData(form));
    for (const [name, value] of Object.entries(more)) fields.set(name, value);
    const answer = await fetch(form.getAttribute("action"), {
      method: "POST", body: fields, headers: { accept: "application/json" },
    });
    // Another server on the same port has another token, and says so in plain text.
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.error || RESTART);
    document.getElementById("progress").innerHTML = found.progress;
    return found;
  };

  const inTurn = (work) => {
    waiting += 1;
    document.body.dataset.saving = waiting;
    saving = saving.then(work).finally(() => {
      waiting -= 1;
      document.body.dataset.saving = waiting;
    });
    return saving;
  };

  const explain = (error) => (error instanceof TypeError ? RESTART : error.message);

  const judge = (verdict) => {
    const tile = tiles[current];
    if (!tile || isHeld) return;
    const before = tile.dataset.verdict;
    mark(tile, verdict, "saving");
    advance();
    inTurn(async () => {
      try {
        await post(tile.querySelector("form"), { verdict });
        if (tile.dataset.verdict === verdict) mark(tile, verdict, "saved");
        say("");
      } catch (error) {
        mark(tile, before, before ? "saved" : "failed");
        say(`Not saved: ${explain(error)}`);
      }
    });
  };

  const undo = () =>
    inTurn(async () => {
      try {
        const found = await post(undoForm, {});
        if (!found.image_id) return say("There is nothing to take back.");
        say("");
        const index = tiles.findIndex((tile) => tile.dataset.image === found.image_id);
        if (index >= 0) {
          mark(tiles[index], null, "open");
          focus(index);
        } else {
          const key = encodeURIComponent(undoForm.elements.class_key.value);
          isLeaving = true;
          location.href = `/class/${key}?first=${encodeURIComponent(found.image_id)}`;
        }
      } catch (error) {
        say(`Not taken back: ${explain(error)}`);
      }
    });

  const columns = () => {
    const top = tiles[0].offsetTop;
    const second = tiles.findIndex((tile) => tile.offsetTop > top);
    return second < 0 ? tiles.length : second;
  };

  const shrink = () => {
    const index = current; // closing gives the focus back to where it was before
    large.close();
    if (!isHeld) focus(index);
  };

  const enlarge = () => {
    if (!tiles.length) return;
    if (large.open) return shrink();
    large.querySelector("img").src = tiles[current].querySelector("img").dataset.large;
    large.showModal();
  };

  const goOn = () => {
    if (next && !next.hidden) saving.then(() => { if (!next.hidden) location.href = next.href; });
  };

  const MOVES = {
    ArrowRight: () => focus(current + 1), ArrowLeft: () => focus(current - 1),
    ArrowDown: () => current + columns() < tiles.length && focus(current + columns()),
    ArrowUp: () => current - columns() >= 0 && focus(current - columns()),
    " ": enlarge, Enter: goOn, "?": () => (help.open ? help.close() : help.showModal()),
    z: undo, Backspace: undo,
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !undoForm) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.repeat && !key.startsWith("Arrow")) return;
    if (key === "Enter" && event.target.closest("a, header")) return;
    if (KEYS[key] && tiles.length && !help.open) judge(KEYS[key]);
    else if (MOVES[key] && (tiles.length || !key.startsWith("Arrow"))) MOVES[key]();
    else return;
    event.preventDefault();
  });

  tiles.forEach((tile, index) => {
    tile.addEventListener("focus", () => index !== current && focus(index));
    tile.querySelector(".shot").addEventListener("click", () => { focus(index); enlarge(); });
    tile.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      focus(index);
      judge(event.submitter.value);
    });
  });
  if (undoForm) undoForm.addEventListener("submit", (event) => { event.preventDefault(); undo(); });
  if (large) large.addEventListener("click", enlarge);
  if (large) large.addEventListener("cancel", (event) => { event.preventDefault(); shrink(); });
  if (help) help.addEventListener("click", () => help.close());
  window.addEventListener("beforeunload", (event) => waiting && !isLeaving && event.preventDefault());
  if (tiles.length) focus(0);
  else if (next) next.focus();
})();
