// The run dialog: config as a form or as JSON, classes, presets, folders of a file explorer, pages of a table and a template.
"use strict";
(() => {
  const { api, element, refuse, save, toast, wrong } = window.pegboard;
  const byId = (id) => document.getElementById(id);
  const form = byId("run");

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-go]")) event.target.form.submit();
  });
  if (!form?.elements.length) return;

  const { plugin, type, project } = form.dataset;
  const schema = form.dataset.schema ? JSON.parse(form.dataset.schema) : null;
  const config = byId("config");
  const says = byId("config-says");
  let presets = JSON.parse(form.dataset.presets || "[]");
  let csv = null;

  // ---- Config ------------------------------------------------------------------------------------------------------------------

  const calm = says.textContent;
  let checking = 0;

  function say(text, bad) {
    says.textContent = text || calm;
    says.classList.toggle("bad", Boolean(bad));
    config.toggleAttribute("aria-invalid", Boolean(bad));
  }

  /** JSON is looked at here at once; whether it follows the plugin's schema, the server says. */
  function checkConfig() {
    clearTimeout(checking);
    const why = wrong(config.value, false);
    say(why, why);
    if (why || !schema) return !why;
    checking = setTimeout(async () => {
      const text = config.value;
      try {
        await api("POST", `/api/v1/hub/plugins/${plugin}/check`, { ...(project ? { project } : {}), config: text });
        if (text === config.value) say("It follows the plugin's schema.");
      } catch (error) {
        if (text !== config.value) return;
        if (error.code === "hub-config") say(error.message, true);
        else say("It follows the plugin's schema.");
      }
    }, 300);
    return true;
  }

  function parsed() {
    try {
      const value = JSON.parse(config.value || "{}");
      return value && typeof value === "object" && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  }

  function set(name, value) {
    const all = parsed() ?? {};
    if (value === undefined) delete all[name];
    else all[name] = value;
    config.value = JSON.stringify(all, null, 2);
    checkConfig();
  }

  function field(name, rule, value, required) {
    const id = `config-${name.replace(/[^\w-]/g, "_")}`;
    const kind = Array.isArray(rule.type) ? rule.type.find((one) => one !== "null") : rule.type;
    const given = value ?? rule.default;
    let input;
    let read;
    if (Array.isArray(rule.enum)) {
      input = element("select", { class: "form-select" }, ...(required ? [] : [element("option", { value: "" }, "as it is")]),
        ...rule.enum.map((one, position) => element("option", { value: position }, String(one))));
      input.value = String(rule.enum.indexOf(given));
      if (input.selectedIndex < 0) input.selectedIndex = 0;
      read = () => (input.value === "" ? undefined : rule.enum[Number(input.value)]);
    } else if (kind === "boolean") {
      input = element("input", { type: "checkbox" });
      input.checked = Boolean(given);
      read = () => input.checked;
    } else if (kind === "integer" || kind === "number") {
      input = element("input", { class: "form-control", type: "number", step: kind === "integer" ? 1 : rule.multipleOf ?? "any", min: rule.minimum, max: rule.maximum });
      input.value = given ?? "";
      read = () => (input.value === "" ? undefined : Number(input.value));
    } else if (kind === "array" && (rule.items?.type ?? "string") === "string") {
      input = element("textarea", { class: "form-control", rows: 3 });
      input.value = (Array.isArray(given) ? given : []).join("\n");
      read = () => input.value.split("\n").map((line) => line.trim()).filter(Boolean);
    } else if (kind === "string") {
      input = element("input", { class: "form-control", type: "text", autocomplete: "off", maxlength: rule.maxLength });
      input.value = given ?? "";
      read = () => (input.value === "" && !required ? undefined : input.value);
    } else {
      input = element("textarea", { class: "form-control code", rows: 3, spellcheck: "false", "data-json": "any" });
      input.value = given === undefined ? "" : JSON.stringify(given, null, 2);
      read = () => { try { return input.value.trim() ? JSON.parse(input.value) : undefined; } catch { return null; } };
    }
    input.id = id;
    input.addEventListener("input", () => set(name, read()));
    const text = (rule.title || name);
    const hint = rule.description ? [element("p", { class: "hint", id: `${id}-hint` }, rule.description)] : [];
    if (hint.length) input.setAttribute("aria-describedby", `${id}-hint`);
    if (kind === "boolean") return element("div", { class: "field" }, element("label", { class: "check" }, input, ` ${text}`), ...hint);
    return element("div", { class: "field" }, element("label", { for: id }, text), input, ...hint);
  }

  const asForm = byId("config-form");

  function drawForm() {
    const value = parsed();
    const required = schema.required ?? [];
    asForm.replaceChildren(...(value === null ? [element("p", { class: "meta" }, "The JSON has to be mended first.")]
      : Object.entries(schema.properties).sort(([a], [b]) => required.includes(b) - required.includes(a)).map(([name, rule]) => field(name, rule === true ? {} : rule, value[name], required.includes(name)))));
  }

  function show(way) {
    document.querySelectorAll("[data-config]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.config === way)));
    config.hidden = way === "form";
    asForm.hidden = way !== "form";
    if (way === "form") drawForm();
  }

  document.querySelectorAll("[data-config]").forEach((one) => { one.onclick = () => show(one.dataset.config); });
  config.addEventListener("input", checkConfig);
  if (asForm) show(parsed() === null ? "json" : "form");

  // ---- Classes -----------------------------------------------------------------------------------------------------------------

  const pairs = byId("pairs");
  const tools = pairs ? JSON.parse(pairs.dataset.tools) : [];

  function addPair(name = "", tool = "") {
    const select = element("select", { class: "form-select", "aria-label": "In the project" }, ...tools.map((one) => element("option", { value: one.schemaId }, `${one.title} (${one.tool})`)));
    if (tool) select.value = tool;
    const input = element("input", { class: "form-control pair-class", "aria-label": "Class of the plugin", "data-class-name": "", placeholder: "class" });
    input.value = name;
    const away = element("button", { type: "button", class: "btn-close", "aria-label": "Remove this class" });
    const row = element("li", {}, input, element("span", { "aria-hidden": "true" }, "→"), select, away);
    away.onclick = () => row.remove();
    pairs.append(row);
    return input;
  }

  byId("add-pair")?.addEventListener("click", () => addPair().focus());

  function classes() {
    const found = {};
    for (const row of pairs?.children ?? []) {
      const select = row.querySelector("select");
      const name = select.dataset.class ?? row.querySelector("[data-class-name]").value.trim();
      if (name && select.value) found[name] = select.value;
    }
    return found;
  }

  function setClasses(wanted) {
    if (!pairs) return;
    pairs.querySelectorAll("[data-class-name]").forEach((one) => one.closest("li").remove());
    pairs.querySelectorAll("select").forEach((one) => { one.value = wanted[one.dataset.class] ?? ""; });
    const known = new Set([...pairs.querySelectorAll("[data-class]")].map((one) => one.dataset.class));
    for (const [name, tool] of Object.entries(wanted)) if (!known.has(name)) addPair(name, tool);
  }

  // ---- The rest of a run -------------------------------------------------------------------------------------------------------

  const ticked = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map((one) => one.value);
  const value = (name) => form.elements.namedItem(name)?.value ?? "";

  function parameters() {
    const found = {};
    if (form.querySelector("[name=stage]")) found.stage = ticked("stage");
    if (form.querySelector("[name=batches]")) found.batches = ticked("batches");
    for (const name of ["bucket", "storageId", "folder"]) if (value(name)) found[name] = value(name);
    const [asset] = ticked("assetId");
    if (asset) found.assetId = asset;
    const overwrite = form.elements.namedItem("overwrite");
    if (overwrite) found.overwrite = overwrite.checked;
    if (type === "markdown_generator") found.markdownText = value("markdownText");
    return found;
  }

  function setParameters(given) {
    for (const name of ["stage", "batches"]) {
      if (given[name]) form.querySelectorAll(`[name=${name}]`).forEach((one) => { one.checked = given[name].includes(one.value); });
    }
    for (const name of ["bucket", "storageId", "folder", "markdownText"]) {
      const input = form.elements.namedItem(name);
      if (input && given[name] !== undefined) input.value = given[name];
    }
    const overwrite = form.elements.namedItem("overwrite");
    if (overwrite && given.overwrite !== undefined) overwrite.checked = given.overwrite;
    if (byId("template")) draw();
  }

  function body(more = {}) {
    const asked = { config: config.value, parameters: { ...parameters(), ...more } };
    if (project) asked.project = project;
    const mapped = classes();
    if (Object.keys(mapped).length) asked.classes = mapped;
    return asked;
  }

  async function busy(button, work) {
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    form.querySelector(".refused").hidden = true;
    try { await work(); } catch (error) {
      if (error.message === undefined) throw error;
      refuse(form, error);
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    if (!checkConfig()) { if (asForm) show("json"); config.focus(); return; }
    if (type === "file_explorer") { look(value("folder")); return; }
    busy(button, async () => {
      const more = csv ? { inputFile: csv.base64 } : {};
      const session = await api("POST", `/api/v1/hub/plugins/${plugin}/sessions`, body(more));
      location.assign(`/ui/sessions/${session.id}`);
    });
  });

  // ---- Presets -----------------------------------------------------------------------------------------------------------------

  const list = byId("preset-list");
  /** A preset without its id: what two writers may differ in. */
  const settings = ({ project: of, plugin: by, name, config: text, classes: mapped, parameters }) => ({ project: of, plugin: by, name, config: text, classes: mapped, parameters });

  function drawPresets() {
    list.replaceChildren(...presets.map((one) => element("li", {}, element("button", { type: "button", class: "btn-link-text", "data-preset": one.id }, one.name),
      element("button", { type: "button", class: "btn-close", "data-preset-delete": one.id, "aria-label": `Delete ${one.name}` }))),
      element("li", { class: "only" }, "None yet for this project."));
  }

  list?.addEventListener("click", async (event) => {
    const { preset, presetDelete } = event.target.dataset;
    if (preset) {
      choose(presets.find((other) => other.id === preset));
    } else if (presetDelete) {
      try {
        await api("DELETE", `/api/v1/hub/presets/${presetDelete}`);
        presets = presets.filter((one) => one.id !== presetDelete);
        drawPresets();
      } catch (error) {
        toast(error.message, "bad", error.hint);
      }
    }
  });

  function choose(one) {
    const text = typeof one.config === "string" ? one.config : JSON.stringify(one.config);
    config.value = JSON.stringify(JSON.parse(text), null, 2);
    setClasses(one.classes);
    setParameters(one.parameters);
    checkConfig();
    if (asForm && !asForm.hidden) drawForm();
    toast(`The settings of ${one.name} are in the form.`, "good");
  }

  byId("preset-save")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const saving = event.target;
    const name = saving.elements.namedItem("name");
    saving.querySelector(".refused").hidden = true;
    try {
      const { config: text, parameters: more, classes: mapped } = body();
      delete more.assetId;
      const wanted = { project, plugin, name: name.value.trim(), config: text, classes: mapped ?? {}, parameters: more };
      const called = (all) => all.find((one) => one.name === wanted.name);
      const before = called(presets);
      let latest = presets;
      // Whose name the page knows is meant to be replaced; what somebody else has saved since is not.
      await save({
        method: "POST", path: "/api/v1/hub/presets", body: wanted, version: before?.id, base: before && settings(before), place: byId("presets"),
        async read() {
          const query = new URLSearchParams({ project, plugin });
          latest = (await api("GET", `/api/v1/hub/presets?${query}`)).presets;
          const stored = called(latest);
          return { version: stored?.id, value: stored ? settings(stored) : {} };
        },
        take() {
          presets = latest;
          drawPresets();
          toast("Theirs is in the list; choose it to see it in the form.");
        },
        done(saved) {
          presets = [...latest.filter((one) => one.name !== saved.name), saved].sort((a, b) => a.name.localeCompare(b.name));
          drawPresets();
          name.value = "";
          toast(`${saved.name} is saved.`, "good");
        },
      });
    } catch (error) {
      refuse(saving, error);
    }
  });

  // ---- Folders -------------------------------------------------------------------------------------------------------------------

  const browser = byId("browser");
  let folder = "";
  let token = null;
  const chosen = new Set();

  /** A listing is a short session of the plugin; its result comes with the answer that waits for its end. */
  async function ask(more) {
    let session = await api("POST", `/api/v1/hub/plugins/${plugin}/sessions`, body(more));
    while (["queued", "running"].includes(session.state)) session = await api("GET", `/api/v1/hub/sessions/${session.id}?wait=20`);
    if (session.state !== "finished") throw { message: session.failure?.message ?? `The listing was ${session.state}`, hint: session.failure?.hint };
    return session.result_is_large ? api("GET", `/api/v1/hub/sessions/${session.id}/result`) : session.result;
  }

  function last(key) {
    return key.replace(/\/$/, "").split("/").pop() || key;
  }

  function choose() {
    byId("browser-chosen").textContent = chosen.size ? `${chosen.size} chosen` : "";
    const button = byId("browser-import");
    if (button) button.textContent = chosen.size ? `Import ${chosen.size} ${chosen.size === 1 ? "file" : "files"}` : "Import this folder";
  }

  function path() {
    const parts = folder.split("/").filter(Boolean);
    const crumbs = [element("button", { type: "button", class: "btn-link-text", "data-folder": "" }, value("bucket") || "root")];
    parts.forEach((part, position) => crumbs.push(element("span", { "aria-hidden": "true" }, " / "),
      element("button", { type: "button", class: "btn-link-text", "data-folder": `${parts.slice(0, position + 1).join("/")}/` }, part)));
    byId("browser-path").replaceChildren(...crumbs);
  }

  async function look(where, more = false) {
    const entries = byId("browser-list");
    browser.hidden = false;
    entries.setAttribute("aria-busy", "true");
    await busy(more ? byId("browser-more") : form.querySelector("[type=submit]"), async () => {
      const found = await ask({ folder: where, upload: false, ...(more ? { scrollToken: token } : {}) });
      if (!more) { entries.replaceChildren(); chosen.clear(); }
      folder = where;
      for (const key of found?.folders ?? []) {
        entries.append(element("li", {}, element("button", { type: "button", class: "btn-link-text folder", "data-folder": key }, `${last(key)}/`)));
      }
      for (const key of found?.files ?? []) {
        const tick = element("input", { type: "checkbox", value: key });
        entries.append(element("li", {}, element("label", { class: "check" }, tick, ` ${last(key)}`)));
      }
      if (!entries.children.length) entries.append(element("li", { class: "meta" }, "Nothing is in this folder."));
      token = found?.scrollToken ?? null;
      byId("browser-more").hidden = !token;
      path();
      choose();
    });
    entries.setAttribute("aria-busy", "false");
    if (!entries.children.length) browser.hidden = true;
  }

  browser?.addEventListener("click", (event) => {
    const to = event.target.closest("[data-folder]");
    if (to) look(to.dataset.folder);
    else if (event.target.id === "browser-more") look(folder, true);
    else if (event.target.id === "browser-import") {
      busy(event.target, async () => {
        const session = await api("POST", `/api/v1/hub/plugins/${plugin}/sessions`, body({ folder, upload: true, ...(chosen.size ? { files: [...chosen] } : {}) }));
        location.assign(`/ui/sessions/${session.id}`);
      });
    }
  });
  browser?.addEventListener("change", (event) => {
    if (event.target.type !== "checkbox") return;
    if (event.target.checked) chosen.add(event.target.value);
    else chosen.delete(event.target.value);
    choose();
  });

  // ---- A table and a template ------------------------------------------------------------------------------------------------------

  const template = byId("template");
  let row = 0;
  let drawing = 0;

  /** Rows of a CSV text: quotes, doubled quotes, line feeds in quotes. */
  function rows(text) {
    const all = [[]];
    let cell = "";
    let quoted = false;
    for (let at = 0; at < text.length; at += 1) {
      const sign = text[at];
      if (quoted) {
        if (sign === '"' && text[at + 1] === '"') { cell += '"'; at += 1; } else if (sign === '"') quoted = false;
        else cell += sign;
      } else if (sign === '"' && cell === "") quoted = true;
      else if (sign === ",") { all.at(-1).push(cell); cell = ""; }
      else if (sign === "\n") { all.at(-1).push(cell.replace(/\r$/, "")); cell = ""; all.push([]); }
      else cell += sign;
    }
    all.at(-1).push(cell);
    return all.filter((one) => one.length > 1 || one[0] !== "");
  }

  function base64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    return btoa(text);
  }

  function sample() {
    const box = byId("sample");
    box.hidden = false;
    box.replaceChildren(element("table", {},
      element("thead", {}, element("tr", {}, ...csv.head.map((one) => element("th", { scope: "col" }, one)))),
      element("tbody", {}, ...csv.rows.slice(0, 4).map((one) => element("tr", {}, ...one.map((cell) => element("td", {}, cell.length > 60 ? `${cell.slice(0, 60)}…` : cell)))))));
    byId("csv-says").textContent = `${csv.rows.length} ${csv.rows.length === 1 ? "row" : "rows"}, ${csv.head.length} columns.`;
    byId("columns").replaceChildren(...csv.head.map((one) => element("button", { type: "button", class: "count", "data-column": one, title: "Put it into the template" }, one)));
    byId("rows").hidden = csv.rows.length < 2;
  }

  function draw() {
    clearTimeout(drawing);
    drawing = setTimeout(async () => {
      let text = template.value;
      const cells = csv?.rows[row] ?? [];
      csv?.head.forEach((one, position) => { text = text.replaceAll(`|${one}|`, cells[position] ?? ""); });
      if (csv) byId("row-number").textContent = `row ${row + 1} of ${csv.rows.length}`;
      const place = byId("preview");
      try {
        const { html } = await api("POST", "/api/v1/hub/preview", { markdown: text });
        // Cleaned by the server; the content security policy lets nothing in it run.
        place.innerHTML = html || "";
        if (!html) place.replaceChildren(element("p", { class: "meta" }, "What you write is shown here with the table's first row."));
      } catch (error) {
        place.replaceChildren(element("p", { class: "meta" }, error.message));
      }
    }, 150);
  }

  template?.addEventListener("input", draw);
  byId("csv")?.addEventListener("change", async (event) => {
    const file = event.target.files[0];
    csv = null;
    if (!file) return;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const [head = [], ...rest] = rows(new TextDecoder().decode(bytes).replace(/^\ufeff/, ""));
    if (!head.length) { byId("csv-says").textContent = "The file is empty."; return; }
    csv = { base64: base64(bytes), head, rows: rest };
    row = 0;
    if (!template.value) template.value = head.map((one, position) => (position ? `**${one}**: |${one}|` : `# |${one}|`)).join("\n\n");
    sample();
    draw();
  });
  byId("columns")?.addEventListener("click", (event) => {
    const { column } = event.target.dataset;
    if (!column) return;
    template.setRangeText(`|${column}|`, template.selectionStart, template.selectionEnd, "end");
    template.focus();
    draw();
  });
  byId("rows")?.addEventListener("click", (event) => {
    const step = Number(event.target.dataset.row);
    if (!step || !csv) return;
    row = (row + step + csv.rows.length) % csv.rows.length;
    draw();
  });
  if (template?.value) draw();

  // A link may name a preset to begin with.
  const wanted = presets.find((one) => one.id === new URLSearchParams(location.search).get("preset"));
  if (wanted) choose(wanted);

  // The plugin may come while the form is filled.
  document.addEventListener("news:live", (event) => {
    const news = JSON.parse(event.detail);
    const button = form.querySelector("[type=submit]");
    if (news.plugin === plugin && button && !button.hasAttribute("aria-busy")) button.disabled = !news.live;
  });
})();
