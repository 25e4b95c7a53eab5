// What all pages do: they stay true when the server has news, send forms to the API, search, tell notices, follow logs.
// Everything is found by attributes, so a page needs no script of its own for it; docs/ui.md lists them.
"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const isKnown = Boolean(byId("shell")) && !("nobody" in byId("shell").dataset);

  // ---- Talking to the API ------------------------------------------------------------------------------------------------

  /** Sends JSON (or a FormData, or a Blob with its type) to the API; answers with what it says, or throws its refusal. */
  async function api(method, path, body, more = {}) {
    const headers = { Accept: "application/json", ...more };
    const token = document.querySelector("meta[name=csrf-token]")?.content;
    if (token) headers["X-CSRF-Token"] = token;
    const isForm = body instanceof FormData || body instanceof Blob;
    if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(path, { method, headers, body: body === undefined || isForm ? body : JSON.stringify(body) });
    } catch {
      throw { message: "The server cannot be reached", hint: "Nothing was changed. Try again when it is back." };
    }
    const text = await answer.text();
    let value = null;
    try { value = text ? JSON.parse(text) : null; } catch { value = text; }
    if (answer.status === 401 && value?.error?.code === "sign-in-needed") signedOut();
    if (!answer.ok) throw (value && value.error) || { message: `The server answered ${answer.status}` };
    return value;
  }

  /** Fields of a form as JSON: dotted names nest; `data-type` says number, boolean, json or list (a line or a comma apart). */
  function fields(form) {
    const found = {};
    for (const field of form.elements) {
      if (!field.name || field.disabled || field.type === "submit") continue;
      if (field.type === "radio" && !field.checked) continue;
      const kind = field.dataset.type || (field.type === "checkbox" && !field.value.replace("on", "") ? "boolean" : field.type);
      let value = field.value;
      if (kind === "boolean") value = field.checked;
      else if (field.type === "checkbox") {
        if (!field.checked) continue;
        place(found, field.name, value, true);
        continue;
      } else if (kind === "number") {
        if (value === "") continue;
        value = Number(value);
      } else if (kind === "json") {
        if (value.trim() === "") continue;
        try { value = JSON.parse(value); } catch (error) {
          throw { message: `${label(field)} is not JSON: ${error.message}`, field: field.name };
        }
      } else if (kind === "list") {
        value = value.split(/[\n,]/).map((part) => part.trim()).filter(Boolean);
      } else if (value === "" && "optional" in field.dataset) continue;
      place(found, field.name, value, false);
    }
    return found;
  }

  function place(object, name, value, many) {
    const parts = name.split(".");
    const last = parts.pop();
    for (const part of parts) object = object[part] ??= {};
    if (many) (object[last] ??= []).push(value);
    else object[last] = value;
  }

  function label(field) {
    return field.labels?.[0]?.textContent.trim() || field.name;
  }

  /** A path with `{field}` taken from an answer. */
  function filled(path, answer) {
    return path.replace(/\{([\w.]+)\}/g, (_, name) => encodeURIComponent(name.split(".").reduce((value, key) => value?.[key], answer) ?? ""));
  }

  function refuse(place, error) {
    let box = place.querySelector?.(":scope .refused");
    if (!box) {
      toast(error.message, "bad", error.hint);
      return;
    }
    box.hidden = false;
    box.replaceChildren(element("p", {}, error.message), ...(error.hint ? [element("p", { class: "hint" }, error.hint)] : []));
    if (error.detail) box.append(element("pre", { tabindex: 0 }, String(error.detail)));
    place.querySelectorAll("[aria-invalid]").forEach((field) => field.removeAttribute("aria-invalid"));
    if (error.field) {
      const field = place.elements?.namedItem(error.field);
      field?.setAttribute("aria-invalid", "true");
      field?.focus();
    }
    box.scrollIntoView({ block: "nearest" });
  }

  // `data-send="METHOD /path"` on a form or a button; `data-then`: where to go, `reload`, or nothing: then an event `sent` tells.
  async function send(source) {
    const [method, path] = source.dataset.send.split(/\s+/, 2);
    if (source.dataset.confirm && !(await confirmed(source.dataset.confirm, source.dataset.confirmLabel))) return;
    const isForm = source instanceof HTMLFormElement;
    const buttons = isForm ? [...source.querySelectorAll("[type=submit]")] : [source];
    buttons.forEach((button) => { button.disabled = true; button.setAttribute("aria-busy", "true"); });
    const box = isForm && source.querySelector(".refused");
    if (box) box.hidden = true;
    try {
      let body;
      if (isForm) body = source.dataset.form === "multipart" ? new FormData(source) : fields(source);
      else if (source.dataset.body) body = JSON.parse(source.dataset.body);
      const done = (answer) => {
        source.dispatchEvent(new CustomEvent("sent", { detail: answer, bubbles: true }));
        if (source.dataset.say) toast(source.dataset.say, "good");
        const then = source.dataset.then;
        if (then === "reload") refresh(true);
        else if (then === "close") { source.closest("dialog")?.close(); refresh(true); }
        else if (then) location.assign(filled(then, answer));
      };
      const place = isForm ? filled(path, body) : path;
      if (source.dataset.version) await window.pegboard.saveForm(source, place, body, done);
      else done(await api(method.toUpperCase(), place, body));
    } catch (error) {
      if (error.message === undefined) throw error;
      refuse(source, error);
    } finally {
      buttons.forEach((button) => { button.disabled = false; button.removeAttribute("aria-busy"); });
    }
  }

  function confirmed(question, word) {
    return new Promise((resolve) => {
      const dialog = element("dialog", { class: "sheet", "aria-label": "Please confirm" });
      const yes = element("button", { class: "btn btn-danger", type: "button" }, word || "Go on");
      const no = element("button", { class: "btn btn-outline-secondary", type: "button" }, "Cancel");
      dialog.append(element("p", {}, question), element("div", { class: "actions" }, no, yes));
      document.body.append(dialog);
      let answer = false;
      yes.onclick = () => { answer = true; dialog.close(); };
      no.onclick = () => dialog.close();
      dialog.onclose = () => { dialog.remove(); resolve(answer); };
      dialog.showModal();
      no.focus();
    });
  }

  // ---- Pieces --------------------------------------------------------------------------------------------------------------

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function toast(text, kind = "", more = "") {
    const note = element("div", { class: `note ${kind}` }, element("p", {}, text));
    if (more) note.append(element("p", { class: "hint" }, more));
    const close = element("button", { type: "button", class: "btn-close", "aria-label": "Close" });
    close.onclick = () => note.remove();
    note.append(close);
    byId("toasts").append(note);
    if (kind !== "bad") setTimeout(() => note.remove(), 6000);
    return note;
  }

  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-send]")) {
      event.preventDefault();
      send(event.target);
    }
  });

  document.addEventListener("click", async (event) => {
    const source = event.target.closest("[data-send]:not(form), [data-open], [data-close], [data-copy], #theme");
    if (!source) {
      // A press beside a dialog closes it.
      if (event.target instanceof HTMLDialogElement && event.target.matches(".palette, .drawer")) event.target.close();
      return;
    }
    if (source.dataset.send) { event.preventDefault(); await send(source); }
    else if (source.dataset.open) open(source.dataset.open);
    else if ("close" in source.dataset) source.closest("dialog")?.close();
    else if (source.dataset.copy !== undefined) copy(source);
    else nextTheme();
  });

  function open(id) {
    const dialog = byId(id);
    if (!dialog || dialog.open) return;
    dialog.showModal();
    dialog.querySelector("[autofocus], input, select, textarea, button")?.focus();
    dialog.dispatchEvent(new CustomEvent("opened", { bubbles: true }));
  }

  async function copy(button) {
    const text = button.dataset.copy || byId(button.dataset.copyFrom)?.textContent || "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea", { class: "visually-hidden" }, text);
      (button.closest("dialog") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  }

  function nextTheme() {
    const themes = ["light", "dark", "midnight_blue"];
    const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    // The dashboard has a choice of its own, which its panels listen to.
    const choice = byId(`pegboard-theme-${next}`);
    if (choice) { choice.click(); return; }
    root.dataset.theme = next;
    root.dataset.bsTheme = next === "light" ? "light" : "dark";
    try { localStorage.setItem("wb_theme", next); } catch { /* the cookie remembers */ }
    document.cookie = `wb_theme=${next}; path=/; max-age=31536000; samesite=lax`;
    document.dispatchEvent(new CustomEvent("theme", { detail: next }));
  }

  // ---- News ------------------------------------------------------------------------------------------------------------------

  function content() {
    return byId("content");
  }

  /** Asks for the page anew and puts in what changed. */
  function refresh(now) {
    const main = content();
    if (!main?.hasAttribute("hx-get")) { if (now) location.reload(); return; }
    // A dialog with half-filled fields is left alone: what is below it can wait.
    if (!now && document.querySelector("#content dialog[open] form")) return;
    if (now) htmx.ajax("GET", location.pathname + location.search, { target: main, select: "#content", swap: "morph:outerHTML" });
    else main.dispatchEvent(new CustomEvent("news"));
  }

  function say(text, lost) {
    const connection = byId("connection");
    if (!connection) return;
    connection.textContent = text;
    connection.classList.toggle("lost", Boolean(lost));
  }

  if (window.Idiomorph) {
    // What somebody opened stays open, what they type stays typed, and what a script keeps itself is left to it.
    const { callbacks } = Idiomorph.defaults;
    callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && (node.matches("details") || node.matches("dialog")));
    callbacks.beforeNodeMorphed = (old, fresh) => !(old.nodeType === 1 && (old.hasAttribute("data-keep") || (old.matches("dialog") && old.open)));
    Idiomorph.defaults.ignoreActiveValue = true;
  }

  const KINDS = ["plugin", "worker", "run", "stage", "progress", "session", "live", "event", "project", "dashboard", "missed"];
  let lost = false;
  let version = null;

  /** What the stream says, in this tab. */
  function told(kind, data) {
    if (kind === "lost") {
      lost = true;
      say("connection lost, trying again", true);
      return;
    }
    if (kind === "away") { signedOut(); return; }
    if (kind === "hello") {
      const hello = JSON.parse(data);
      away?.remove();
      away = null;
      if (version && hello.version !== version) { location.reload(); return; }
      version = hello.version;
      say("");
      if (lost) {
        toast("The server is back.", "good");
        refresh();
        document.dispatchEvent(new CustomEvent("news:back"));
      }
      lost = false;
    } else {
      const wanted = content()?.dataset.news?.trim().split(/\s+/) ?? [];
      if (kind === "missed" || wanted.includes(kind)) refresh();
      if (kind === "run") ended(JSON.parse(data));
      if (kind === "event") noticed(JSON.parse(data));
      if (kind === "session") sessionEnded(JSON.parse(data));
    }
    document.dispatchEvent(new CustomEvent(`news:${kind}`, { detail: data }));
  }

  function listen(tell) {
    streamed("/api/v1/news", ["hello", ...KINDS], (kind, event) => tell(kind, event.data), async (isRefused) => {
      tell("lost", "");
      if (isRefused && (await isAway())) tell("away", "");
    });
  }

  /**
   * Follows a stream of events. A browser tries again by itself when the connection broke, but not when it was refused, by the server or by
   * a proxy before it: then it is begun again behind the last event.
   */
  function streamed(path, kinds, tell, broken = () => {}) {
    const AGAIN = 5000;
    const stream = { over: false, close() { stream.over = true; source.close(); } };
    let source;
    let last = "";
    const begin = () => {
      if (stream.over) return;
      const place = new URL(path, location.href);
      if (last) place.searchParams.set("after", last);
      source = new EventSource(place);
      for (const kind of kinds) source.addEventListener(kind, (event) => { last = event.lastEventId || last; tell(kind, event); });
      source.onerror = () => {
        const isRefused = source.readyState === EventSource.CLOSED;
        broken(isRefused);
        if (isRefused) setTimeout(begin, AGAIN);
      };
    };
    begin();
    addEventListener("pagehide", () => stream.close());
    return stream;
  }

  let away = null;

  /** Whether the server wants to know who this is, and does not. */
  async function isAway() {
    try {
      const session = await (await fetch("/api/v1/session")).json();
      return session.sign_in_needed && !session.user;
    } catch { return false; }
  }

  /** Signed out elsewhere, ended by somebody, or over. What is written on this page stays until one leaves it. */
  function signedOut() {
    if (away || !isKnown) return;
    say("signed out", true);
    away = toast("You are signed out.", "bad", "What you have written is still here: sign in in another tab, and this page goes on.");
    away.append(element("p", {}, element("a", { href: `/ui/sign-in?next=${encodeURIComponent(location.pathname + location.search)}` }, "Sign in and come back here")));
  }

  document.addEventListener("htmx:responseError", (event) => { if (event.detail.xhr.status === 401) signedOut(); });

  /** A browser opens few connections to a server: of all tabs one listens and tells the others. */
  function follow() {
    if (!navigator.locks || !window.BroadcastChannel) { listen(told); return; }
    const tabs = new BroadcastChannel("pegboard-news");
    tabs.onmessage = ({ data }) => told(data.kind, data.data);
    navigator.locks.request("pegboard-news", () => new Promise(() => {
      listen((kind, data) => { tabs.postMessage({ kind, data }); told(kind, data); });
    }));
  }

  // ---- Notices ---------------------------------------------------------------------------------------------------------------

  const seen = {
    get() { try { return localStorage.getItem("pegboard-seen") || ""; } catch { return ""; } },
    set(time) { try { localStorage.setItem("pegboard-seen", time); } catch { /* not remembered */ } },
  };

  function ended(run) {
    if (run.state === "failed") noticed({ time: run.finished_at, kind: "run-failed", title: `Run ${run.name} failed`, text: run.failure && `${run.failure.class}: ${run.failure.message}`, path: `/ui/runs/${run.uid}` });
  }

  /** Tells of sessions that somebody waits for: those with a file, and those that failed. Their own page shows it anyway. */
  function sessionEnded(session) {
    const path = `/ui/sessions/${session.id}`;
    if (!session.asked_for || location.pathname === path) return;
    const name = session.name ?? "A plugin";
    if (session.state === "failed") noticed({ kind: "session-failed", title: `${name} failed`, text: session.failure, path });
    else if (session.state === "finished" && session.download) noticed({ kind: "export-ready", title: `The export of ${name} is ready`, path });
  }

  function noticed(notice) {
    if (!notice.title) return;
    const note = toast(notice.title, notice.kind?.endsWith("failed") ? "bad" : "good", notice.text);
    if (notice.path) note.querySelector("p").replaceChildren(element("a", { href: notice.path }, notice.title));
    mark(true);
  }

  function mark(unseen) {
    const dot = byId("unseen");
    if (dot) dot.hidden = !unseen;
  }

  async function notices() {
    const list = byId("notices-list");
    try {
      const { notices } = await api("GET", "/api/v1/notices");
      list.replaceChildren(...notices.map((notice) => element("li", { class: notice.kind },
        element("a", { href: notice.path }, notice.title),
        ...(notice.text ? [element("p", {}, notice.text)] : []),
        element("time", { datetime: notice.time }, `${notice.time.slice(0, 16).replace("T", " ")} UTC`))));
      if (!notices.length) list.append(element("li", { class: "quiet" }, "Nothing yet. Exports that are ready and runs that failed are told here."));
      return notices;
    } catch (error) {
      list.replaceChildren(element("li", { class: "quiet" }, error.message));
      return [];
    }
  }

  byId("notices")?.addEventListener("opened", async () => {
    const all = await notices();
    if (all[0]) seen.set(all[0].time);
    mark(false);
  });

  // ---- Search ----------------------------------------------------------------------------------------------------------------

  const search = byId("search");
  const found = byId("search-found");
  let asked = 0;

  async function look(text) {
    const mine = ++asked;
    let answer;
    try { answer = await api("GET", `/api/v1/search?q=${encodeURIComponent(text)}`); } catch (error) { answer = { found: [], error }; }
    if (mine !== asked) return;
    found.replaceChildren(...answer.found.map((one, position) => element("li", { role: "option", id: `found-${position}`, "aria-selected": position === 0 },
      element("a", { href: one.path, tabindex: -1 }, element("span", { class: "palette-kind" }, one.kind), element("span", {}, one.title),
        ...(one.text ? [element("small", {}, one.text)] : [])))));
    if (!answer.found.length) found.append(element("li", { class: "quiet" }, answer.error ? answer.error.message : "Nothing found."));
  }

  function choose(step) {
    const all = [...found.querySelectorAll("[role=option]")];
    if (!all.length) return;
    const now = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
    const next = (now + step + all.length) % all.length;
    all.forEach((one, position) => one.setAttribute("aria-selected", String(position === next)));
    all[next].scrollIntoView({ block: "nearest" });
    byId("search-text").setAttribute("aria-activedescendant", all[next].id);
  }

  search?.addEventListener("opened", () => { byId("search-text").select(); look(byId("search-text").value); });
  byId("search-text")?.addEventListener("input", (event) => look(event.target.value));
  byId("search-text")?.addEventListener("keydown", (event) => {
    // By itself, a browser's search field would only be emptied.
    if (event.key === "Escape") { event.preventDefault(); search.close(); }
    if (event.key === "ArrowDown") choose(1);
    else if (event.key === "ArrowUp") choose(-1);
    else if (event.key === "Enter") found.querySelector("[aria-selected=true] a")?.click();
    else return;
    event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const palette = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey);
    if (palette && search) { event.preventDefault(); open("search"); }
  });

  // ---- Logs ------------------------------------------------------------------------------------------------------------------

  const MOST_LINES = 5000;

  /** `<ol data-log="/api/…/events" data-last="7">`: lines are appended as they come; the page's own are not asked again. */
  function logs() {
    for (const log of document.querySelectorAll("[data-log]")) {
      if (log.followed) continue;
      const place = `${log.dataset.log}${log.dataset.log.includes("?") ? "&" : "?"}after=${log.dataset.last || "0"}`;
      log.scrollTop = log.scrollHeight;
      log.followed = streamed(place, ["log", "end"], (kind, event) => {
        if (kind === "log") { append(log, JSON.parse(event.data)); return; }
        log.followed.close();
        refresh();
      });
    }
  }

  function logLine(said) {
    const text = element("span", { class: "text" }, said.text);
    if (said.more && Object.keys(said.more).length) text.append(" ", element("span", { class: "more" }, JSON.stringify(said.more)));
    return element("li", { class: `log-${said.level}` }, element("time", { datetime: said.time }, said.time.slice(11, 19)),
      element("span", { class: "stage" }, said.stage ?? ""), text);
  }

  /** What was said before the first line that is shown is put above it, and what is read stays where it is. */
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-earlier]");
    if (!link?.dataset.before) return;
    event.preventDefault();
    const log = byId("log");
    try {
      const page = await api("GET", `${link.dataset.earlier}&before=${link.dataset.before}`);
      const below = log.scrollHeight - log.scrollTop;
      log.prepend(...page.lines.map(logLine));
      log.scrollTop = log.scrollHeight - below;
      link.dataset.before = page.earlier ?? "";
      link.parentElement.hidden = !page.earlier;
    } catch (error) {
      toast(error.message, "bad", error.hint);
    }
  });

  function append(log, line) {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(logLine(line));
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  // ---- Begin -----------------------------------------------------------------------------------------------------------------

  window.pegboard = { api, element, fields, filled, logLine, refresh, refuse, streamed, toast, open };
  // Each of them runs again when parts of the page were put in anew.
  const onLoad = [logs];
  window.pegboard.onLoad = (action) => { onLoad.push(action); action(); };
  document.addEventListener("htmx:afterSettle", () => onLoad.forEach((action) => action()));
  logs();
  // Whoever is not known is told no news.
  if (isKnown) {
    follow();
    if (byId("unseen")) notices().then((all) => mark(Boolean(all[0] && all[0].time > seen.get())));
  }
})();
