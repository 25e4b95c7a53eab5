// Two who edit one thing: what is sent says what it was made from. Has somebody else saved meanwhile, both are shown side by side, and
// one chooses; nothing that was written is lost before that.
"use strict";
(() => {
  const { api, element, fields, refuse } = window.pegboard;
  const TRIES = 5;
  const NEAR = 3; // lines around a difference that are shown
  const MOST = 4e6; // pairs of lines that are compared

  /** The same whatever the order of keys. */
  function sorted(value) {
    if (Array.isArray(value)) return value.map(sorted);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
  }
  const words = (value) => JSON.stringify(sorted(value), null, 2);
  const same = (one, other) => words(one) === words(other);

  /** Of two lists of lines: which lines of each the other has not, and beside which of its lines the other has more. */
  function compared(one, other) {
    let begin = 0;
    while (begin < one.length && begin < other.length && one[begin] === other[begin]) begin++;
    let end = 0;
    while (end < one.length - begin && end < other.length - begin && one.at(-1 - end) === other.at(-1 - end)) end++;
    const [long, wide] = [one.length - begin - end, other.length - begin - end];
    // The length of the longest that both have from here on.
    const isSmall = long * wide <= MOST;
    const common = isSmall ? Array.from({ length: long + 1 }, () => new Uint32Array(wide + 1)) : [];
    const same = (at, by) => isSmall && one[begin + at] === other[begin + by];
    for (let at = isSmall ? long - 1 : -1; at >= 0; at--) {
      for (let by = wide - 1; by >= 0; by--) common[at][by] = same(at, by) ? common[at + 1][by + 1] + 1 : Math.max(common[at + 1][by], common[at][by + 1]);
    }
    const found = [{ marked: new Set(), beside: new Set() }, { marked: new Set(), beside: new Set() }];
    for (let at = 0, by = 0; at < long || by < wide;) {
      if (at < long && by < wide && same(at, by)) { at++; by++; } else if (by === wide || (at < long && (!isSmall || common[at + 1][by] >= common[at][by + 1]))) {
        found[0].marked.add(begin + at);
        found[1].beside.add(begin + by);
        at++;
      } else {
        found[1].marked.add(begin + by);
        found[0].beside.add(begin + at);
        by++;
      }
    }
    return found;
  }

  /** One of both: what differs, with the lines around it. */
  function text(title, lines, { marked, beside }) {
    const near = new Set();
    for (const at of [...marked, ...beside]) for (let by = at - NEAR; by <= at + NEAR; by++) near.add(by);
    const shown = [];
    let left = [];
    const leave = () => {
      if (left.length > 2) shown.push(element("span", { class: "left-out" }, `⋯ ${left.length} lines that both have\n`));
      else shown.push(...left);
      left = [];
    };
    lines.forEach((line, at) => {
      if (!near.has(at)) { left.push(`${line}\n`); return; }
      leave();
      shown.push(marked.has(at) ? element("mark", {}, `${line}\n`) : `${line}\n`);
    });
    leave();
    return element("div", {}, element("h3", {}, title), element("pre", { tabindex: 0 }, ...shown));
  }

  /**
   * Sends `body` if what is stored still is the `version` that it was made from; without one, if there is none.
   * `base` is that version's value; `read` asks what is stored now, as `{ version, value }`; `place` is where both are shown;
   * `done` gets the answer; `take` makes the page show theirs, unless it is loaded anew.
   */
  async function save(asked, tries = TRIES) {
    const { method = "PUT", path, body, version, base, read, place, done } = asked;
    place.querySelector(":scope > .conflict")?.remove();
    let answer;
    try {
      answer = await api(method, path, body, version ? { "If-Match": `"${version}"` } : { "If-None-Match": "*" });
    } catch (error) {
      if (error.code !== "changed-meanwhile") throw error;
      const theirs = await read();
      // Another part of it is what changed: this one is as it was.
      if (tries > 0 && (same(theirs.value, base) || same(theirs.value, body))) return save({ ...asked, version: theirs.version }, tries - 1);
      return show(asked, theirs);
    }
    return done(answer);
  }

  function show(asked, theirs) {
    const over = element("button", { type: "button", class: "btn btn-outline-danger" }, "Save mine over theirs");
    const take = element("button", { type: "button", class: "btn btn-outline-secondary" }, "Take theirs");
    const on = element("button", { type: "button", class: "btn btn-outline-secondary" }, "Go on editing mine");
    const [stored, written] = [theirs.value, asked.body].map((value) => words(value).split("\n"));
    const [ofStored, ofWritten] = compared(stored, written);
    const box = element("div", { class: "failure conflict", role: "alert", "data-keep": "" },
      element("p", {}, element("strong", {}, "Somebody else changed it while you were editing."), " Nothing is lost: choose which one stays."),
      element("div", { class: "halves" }, text("Theirs, as it is stored now", stored, ofStored), text("Yours, not saved", written, ofWritten)),
      element("div", { class: "actions" }, on, take, over));
    on.onclick = () => box.remove();
    take.onclick = () => {
      if (!asked.take) { location.reload(); return; }
      box.remove();
      asked.take(theirs);
    };
    over.onclick = async () => {
      over.disabled = true;
      over.setAttribute("aria-busy", "true");
      try {
        await save({ ...asked, version: theirs.version, base: theirs.value });
      } catch (error) {
        box.remove();
        refuse(asked.place, error);
      }
    };
    asked.place.prepend(box);
    box.scrollIntoView({ block: "start", behavior: "smooth" });
    on.focus({ preventScroll: true });
  }

  /** A form with `data-version` that is sent to where its record is read: what is stored of the form's own fields is compared. */
  function saveForm(form, path, body, done) {
    const before = form.cloneNode(true);
    before.reset();
    const read = async () => {
      const stored = await api("GET", path);
      const empty = (value) => (Array.isArray(value) ? [] : { string: "", number: 0 }[typeof value] ?? false);
      const value = Object.fromEntries(Object.entries(body).map(([key, mine]) => [key, stored[key] ?? empty(mine)]));
      return { version: stored.revision ?? stored.updated_at, value };
    };
    return save({ path, body, version: form.dataset.version, base: fields(before), read, place: form, done });
  }

  Object.assign(window.pegboard, { save, saveForm });
})();
