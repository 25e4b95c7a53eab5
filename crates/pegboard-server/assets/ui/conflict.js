// Two who edit one thing: what is sent says what it was made from. Has somebody else saved meanwhile, both are shown side by side, and
// one chooses; nothing that was written is lost before that.
"use strict";
(() => {
  const { api, element, fields, refuse } = window.pegboard;
  const TRIES = 5;

  /** The same whatever the order of keys. */
  function sorted(value) {
    if (Array.isArray(value)) return value.map(sorted);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
  }
  const words = (value) => JSON.stringify(sorted(value), null, 2);
  const same = (one, other) => words(one) === words(other);

  /** One of both, with the lines marked that the other has not. */
  function text(title, value, other) {
    const known = new Set(words(other).split("\n"));
    const lines = words(value).split("\n").map((line) => (known.has(line) ? `${line}\n` : element("mark", {}, `${line}\n`)));
    return element("div", {}, element("h3", {}, title), element("pre", { tabindex: 0 }, ...lines));
  }

  /**
   * Sends `body` if what is stored still is the `version` that it was made from.
   * `base` is that version's value; `read` asks what is stored now, as `{ version, value }`; `place` is where both are shown;
   * `done` gets the answer; `take` makes the page show theirs, unless it is loaded anew.
   */
  async function save(asked, tries = TRIES) {
    const { path, body, version, base, read, place, done, take } = asked;
    place.querySelector(":scope > .conflict")?.remove();
    let answer;
    try {
      answer = await api("PUT", path, body, { "If-Match": `"${version}"` });
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
    const box = element("div", { class: "failure conflict", role: "alert", "data-keep": "" },
      element("p", {}, element("strong", {}, "Somebody else changed it while you were editing."), " Nothing is lost: choose which one stays."),
      element("div", { class: "halves" }, text("Theirs, as it is stored now", theirs.value, asked.body), text("Yours, not saved", asked.body, theirs.value)),
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
