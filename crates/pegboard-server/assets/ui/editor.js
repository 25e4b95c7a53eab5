// The editor of documents: line numbers, a check while one types, a look at what will change before it is saved, and no text lost
// when somebody else saves meanwhile.
"use strict";
(() => {
  const { api, element, open } = window.pegboard;
  const byId = (id) => document.getElementById(id);
  const text = byId("editor");
  const lines = byId("editor-lines");
  const says = byId("editor-says");
  const PAUSE = 400;
  const { kind, name, back } = text.dataset;
  const draftKey = `pegboard-draft ${location.pathname}${location.search}`;
  let version = text.dataset.version;
  let base = text.value;
  let checked = 0;
  let found = null;
  let saved = false;

  // ---- Text --------------------------------------------------------------------------------------------------------------

  let bad = 0;

  function number() {
    const count = text.value.split("\n").length;
    const all = [];
    for (let line = 1; line <= count; line += 1) all.push(line === bad ? element("b", {}, String(line)) : String(line), "\n");
    lines.replaceChildren(...all);
    lines.scrollTop = text.scrollTop;
  }

  function insert(words) {
    // Through the browser, so that it can be undone.
    if (!document.execCommand("insertText", false, words)) text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
    changed();
  }

  /** Moves whole lines to the right or to the left. */
  function indent(left) {
    const begin = text.value.lastIndexOf("\n", text.selectionStart - 1) + 1;
    const end = text.selectionEnd;
    const block = text.value.slice(begin, end).split("\n");
    const moved = block.map((line) => (left ? line.replace(/^ {1,2}/, "") : `  ${line}`)).join("\n");
    text.setSelectionRange(begin, end);
    insert(moved);
    text.setSelectionRange(begin, begin + moved.length);
  }

  let leaves = false;
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leaves = true; return; }
    if (event.key === "Tab" && !leaves && !event.altKey && !event.ctrlKey) {
      event.preventDefault();
      if (event.shiftKey || text.value.slice(text.selectionStart, text.selectionEnd).includes("\n")) indent(event.shiftKey);
      else insert("  ");
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      review();
    } else if (event.key === "Enter" && !event.shiftKey) {
      const before = text.value.slice(text.value.lastIndexOf("\n", text.selectionStart - 1) + 1, text.selectionStart);
      const space = /^\s*/.exec(before)[0] + (/:\s*$/.test(before) ? "  " : "");
      if (space) { event.preventDefault(); insert(`\n${space}`); }
    }
    if (event.key !== "Shift") leaves = false;
  });
  text.addEventListener("scroll", () => { lines.scrollTop = text.scrollTop; });
  text.addEventListener("input", changed);

  function go(line, column) {
    const all = text.value.split("\n");
    const at = all.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + Math.min(column - 1, (all[line - 1] ?? "").length);
    text.focus();
    text.setSelectionRange(at, at + 1);
    text.scrollTop = Math.max(0, (line - 5) * parseFloat(getComputedStyle(text).lineHeight));
  }

  // ---- Check -------------------------------------------------------------------------------------------------------------

  let waiting = 0;

  function changed() {
    number();
    byId("review").disabled = true;
    clearTimeout(waiting);
    waiting = setTimeout(check, PAUSE);
    try {
      if (text.value === base) sessionStorage.removeItem(draftKey);
      else sessionStorage.setItem(draftKey, text.value);
    } catch { /* no room for drafts */ }
  }

  const written = () => new Blob([text.value], { type: "application/yaml" });
  const one = (applied) => applied.workflow ?? applied.config ?? applied.trigger;
  const kindOf = (applied) => ["workflow", "config", "trigger"].find((key) => applied[key]);
  const words = { workflow: "workflow", config: "configuration", trigger: "trigger" };

  async function check() {
    const mine = ++checked;
    clearTimeout(waiting);
    let answer;
    let error;
    try { answer = await api("POST", "/api/v1/apply?dry_run=true", written()); } catch (refused) { error = refused; }
    if (mine !== checked) return null;
    found = answer ?? null;
    bad = 0;
    says.replaceChildren(...(error ? refused(error) : answer.applied.flatMap(told)));
    number();
    byId("review").disabled = !found;
    return found;
  }

  /** Words with what stands between backticks as code. */
  const coded = (words) => words.split("`").map((part, position) => (position % 2 ? element("code", {}, part) : part));

  function refused(error) {
    const place = /line (\d+)(?:,? column (\d+))?/.exec(error.message ?? "");
    const box = element("div", { class: "failure" }, element("p", {}, ...coded(error.message ?? "It cannot be checked")));
    if (error.hint) box.append(element("p", { class: "hint" }, ...coded(error.hint)));
    if (place) {
      bad = Number(place[1]);
      const show = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary below" }, `Go to line ${place[1]}`);
      show.onclick = () => go(Number(place[1]), Number(place[2] ?? 1));
      box.append(show);
    }
    return [box];
  }

  function told(applied) {
    const what = `${words[kindOf(applied)]} ${one(applied).name}`;
    let sentence = `Will change the ${what}`;
    if (applied.created) sentence = `Will make the ${what}`;
    if (applied.unchanged) sentence = `The ${what} is as it is stored`;
    const parts = [element("p", { class: "says says-good" }, sentence)];
    if (name && one(applied).name !== name) parts.push(element("p", { class: "says warning" }, `The document has another name: ${name} stays as it is.`));
    if (name && kind !== "trigger" && one(applied).name === name && one(applied).updated_at !== version) parts.push(element("p", { class: "says warning" }, "Somebody else has changed it since you opened it: what is shown is the difference to theirs."));
    if (!name && !applied.created && !applied.unchanged) parts.push(element("p", { class: "says warning" }, "There is one of this name already: it will be replaced."));
    return parts.concat(applied.warnings.map((warning) => element("p", { class: "says warning" }, ...coded(warning))));
  }

  // ---- Review and save ---------------------------------------------------------------------------------------------------

  function diff(unified) {
    const kinds = { "+": "more", "-": "less", "@": "where" };
    const shown = unified.replace(/\n$/, "").split("\n").filter((line) => !line.startsWith("\\"));
    return element("div", { class: "diff", tabindex: 0, role: "group", "aria-label": "Difference" },
      ...shown.map((line) => element("span", { class: kinds[line[0]] ?? null }, line || " ")));
  }

  async function review() {
    const answer = (await check()) ?? found;
    if (!answer) return;
    byId("save-refused").hidden = true;
    byId("save-diff").replaceChildren(...answer.applied.flatMap((applied) => [...told(applied), ...(applied.diff ? [diff(applied.diff)] : [])]));
    byId("save").disabled = answer.applied.every((applied) => applied.unchanged);
    open("save-dialog");
    byId("save").focus();
  }

  /** Stored under its name only when it still is what was read; a text with other or several documents is applied. */
  async function store(seen) {
    const same = name && found?.applied.length === 1 && one(found.applied[0]).name === name;
    if (!same) return api("POST", "/api/v1/apply", written());
    return api("PUT", `/api/v1/${kind}s/${encodeURIComponent(name)}`, written(), { "If-Match": `"${seen}"` });
  }

  async function save(seen) {
    const button = byId("save");
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await store(seen);
      saved = true;
      try { sessionStorage.removeItem(draftKey); } catch { /* none */ }
      const first = answer.applied?.[0] ?? answer;
      location.assign(kindOf(first) === "workflow" ? `/ui/workflows/${encodeURIComponent(one(first).name)}` : back);
    } catch (error) {
      if (error.code === "changed-meanwhile") return await conflict();
      byId("save-refused").hidden = false;
      byId("save-refused").replaceChildren(element("p", {}, error.message ?? String(error)), ...(error.hint ? [element("p", { class: "hint" }, error.hint)] : []));
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
    return undefined;
  }

  /** Somebody else saved meanwhile: both texts are shown, and one chooses. */
  async function conflict() {
    const theirs = await api("GET", `/api/v1/${kind}s/${encodeURIComponent(name)}/document`);
    // A trigger that fired has another version and the same text.
    if (theirs.text === base) { version = theirs.updated_at; return save(version); }
    const answer = await check();
    byId("save-dialog").close();
    const box = byId("conflict");
    const over = element("button", { type: "button", class: "btn btn-outline-danger" }, "Save mine over theirs");
    const take = element("button", { type: "button", class: "btn btn-outline-secondary" }, "Take theirs");
    const on = element("button", { type: "button", class: "btn btn-outline-secondary" }, "Go on editing mine");
    over.onclick = () => { version = theirs.updated_at; base = theirs.text; box.hidden = true; save(version); };
    take.onclick = () => {
      const mine = text.value;
      text.value = theirs.text;
      base = theirs.text;
      version = theirs.updated_at;
      changed();
      box.replaceChildren(element("p", {}, "The text is theirs now. Yours is kept here until you leave the page:"), element("pre", { tabindex: 0 }, mine));
    };
    on.onclick = () => { box.hidden = true; text.focus(); };
    box.hidden = false;
    box.replaceChildren(element("p", {}, element("strong", {}, "Somebody else changed it while you were editing."), " Nothing is lost: choose which one stays."),
      element("details", {}, element("summary", {}, "Theirs, as it is stored now"), element("pre", { tabindex: 0 }, theirs.text)),
      element("p", { class: "below" }, "From theirs to yours:"),
      diff(answer?.applied?.[0]?.diff || "your text says the same"),
      element("div", { class: "actions" }, on, take, over));
    box.scrollIntoView({ block: "start", behavior: "smooth" });
    on.focus({ preventScroll: true });
    return undefined;
  }

  byId("review").onclick = review;
  byId("save").onclick = () => save(version);
  addEventListener("beforeunload", (event) => { if (!saved && text.value !== base) event.preventDefault(); });

  // ---- Begin -------------------------------------------------------------------------------------------------------------

  let draft = null;
  try { draft = sessionStorage.getItem(draftKey); } catch { /* none */ }
  if (draft !== null && draft !== base) {
    const box = byId("draft");
    const restore = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary" }, "Put it back");
    const forget = element("button", { type: "button", class: "btn btn-sm btn-outline-secondary" }, "Forget it");
    restore.onclick = () => { text.value = draft; box.hidden = true; changed(); };
    forget.onclick = () => { box.hidden = true; try { sessionStorage.removeItem(draftKey); } catch { /* none */ } };
    box.replaceChildren("You left this page with text that was not saved.", restore, forget);
    box.hidden = false;
  }
  number();
  check();
  if (!name) text.focus();
})();
