// Data in and out: files several at once, lists, answers of other forms, exports. The server says what is wrong with which row.
"use strict";
(() => {
  const page = document.getElementById("exchange");
  if (!page) return;
  const { api, element, refuse, fields } = window.pegboard;
  const byId = (id) => document.getElementById(id);
  const project = `/api/v1/projects/${page.dataset.project}`;
  const AT_ONCE = 4; // files on their way
  const CHUNK = 200; // items of one request
  const MOST_PROBLEMS = 200;

  function problem(list, text) {
    list.hidden = false;
    if (list.childElementCount < MOST_PROBLEMS) list.append(element("li", {}, text));
  }

  // ---- Files -----------------------------------------------------------------------------------------------------------------------

  const bar = byId("files-bar"), said = byId("files-said"), problems = byId("files-problems");
  const queue = [];
  let working = 0, total = 0, whole = 0, made = 0, failed = 0;
  const sent = new Map(); // file → bytes that are there

  function tell() {
    byId("files-progress").hidden = false;
    const bytes = [...sent.values()].reduce((sum, one) => sum + one, 0);
    bar.value = whole ? Math.min(1, bytes / whole) : 1;
    const left = total - made - failed;
    said.replaceChildren(left > 0 ? `${made} of ${total} files` : `${made} asset${made === 1 ? "" : "s"} made${failed ? `, ${failed} failed` : ""} `,
      ...(left <= 0 && made ? [element("a", { href: `/ui/projects/${page.dataset.project}/assets` }, "Look at them")] : []));
  }

  /** Puts a file, and says how far it is. */
  function put(url, file) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("PUT", new URL(url).pathname + new URL(url).search);
      request.upload.onprogress = (event) => { sent.set(file, event.loaded); tell(); };
      request.onload = () => {
        if (request.status < 400) { resolve(); return; }
        let error;
        try { ({ error } = JSON.parse(request.responseText)); } catch { /* not ours */ }
        reject(error || { message: `the server answered ${request.status}` });
      };
      request.onerror = () => reject({ message: "the connection broke off" });
      request.send(file);
    });
  }

  const ready = [];
  let storing = Promise.resolve();

  /** Makes assets of the files that are there, many in one request, one request after the other. */
  function store(force) {
    if (!ready.length || (!force && ready.length < 50)) return;
    const items = ready.splice(0);
    const batch = byId("files-batch").value.trim();
    storing = storing.then(async () => {
      try {
        made += (await api("POST", `${project}/assets`, { items, batches: batch ? [batch] : [] })).assets;
      } catch (error) {
        failed += items.length;
        problem(problems, `${items.length} files: ${error.message}${error.hint ? `; ${error.hint}` : ""}`);
      }
      tell();
    });
  }

  async function work() {
    working++;
    while (queue.length) {
      const file = queue.shift();
      try {
        const place = await api("POST", `${project}/uploads`, { name: file.name });
        await put(place.url, file);
        ready.push({ data: place.data, externalId: file.webkitRelativePath || file.name });
      } catch (error) {
        failed++;
        problem(problems, `${file.name}: ${error.message}${error.hint ? `; ${error.hint}` : ""}`);
      }
      sent.set(file, file.size);
      store(false);
      tell();
    }
    working--;
    if (!working) store(true);
  }

  function take(files) {
    for (const file of files) {
      queue.push(file);
      total++;
      whole += file.size;
    }
    tell();
    while (working < AT_ONCE && queue.length > working) work();
    if (!working && queue.length) work();
  }

  const drop = byId("drop");
  byId("files").addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) { take(event.dataTransfer.files); return; }
    const found = [];
    for (const entry of entries) await walk(entry, found);
    take(found);
  });
  addEventListener("beforeunload", (event) => { if (working) event.preventDefault(); });

  async function walk(entry, found) {
    if (entry.isFile) { found.push(await new Promise((resolve, reject) => entry.file(resolve, reject))); return; }
    const reader = entry.createReader();
    for (;;) {
      const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!part.length) return;
      for (const one of part) await walk(one, found);
    }
  }

  // ---- Lists -------------------------------------------------------------------------------------------------------------------------

  /** Rows of a CSV text, quotes and line ends within them understood. */
  function rows(text, comma) {
    const found = [[""]];
    let quoted = false;
    for (let at = 0; at < text.length; at++) {
      const letter = text[at], row = found[found.length - 1];
      if (quoted && letter === '"' && text[at + 1] === '"') { row[row.length - 1] += '"'; at++; }
      else if (letter === '"') quoted = !quoted;
      else if (!quoted && letter === comma) row.push("");
      else if (!quoted && letter === "\n") found.push([""]);
      else if (letter !== "\r" || quoted) row[row.length - 1] += letter;
    }
    return found.filter((row) => row.some((cell) => cell.trim()));
  }

  function csv(text) {
    const comma = text.split("\n", 1)[0].includes("\t") ? "\t" : text.split("\n", 1)[0].includes(";") ? ";" : ",";
    const [names, ...found] = rows(text, comma);
    const known = names.map((name) => ({ url: "data", data: "data", externalid: "externalId", external_id: "externalId", name: "externalId", batch: "batches", batches: "batches" })[name.trim().toLowerCase()] ?? null);
    if (!known.includes("data")) throw { message: "The CSV has no column `data` or `url`", hint: `its columns are ${names.join(", ")}` };
    return found.map((row) => {
      const item = {};
      row.forEach((cell, at) => {
        if (cell === "") return;
        if (known[at] === "batches") item.batches = cell.split("|").map((one) => one.trim());
        else if (known[at]) item[known[at]] = cell;
        else (item.contextData ??= {})[names[at] ?? `column ${at + 1}`] = cell;
      });
      return item;
    });
  }

  async function items(text, name) {
    const begin = text.trimStart();
    if (begin.startsWith("[") || begin.startsWith("{")) return (await api("POST", `${project}/read`, { text })).items;
    const isTable = /\.(csv|tsv)$/i.test(name) || /(^|[,;\t])\s*"?(data|url)"?\s*([,;\t]|$)/i.test(text.split("\n", 1)[0]);
    if (isTable) return csv(text);
    return text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean).map((data) => ({ data }));
  }

  /** Sends items, a chunk at a time. A row that is wrong is told and left out, the others go in. */
  async function send(found, batches, list, progress) {
    let stored = 0, sofar = 0;
    for (let at = 0; at < found.length; at += CHUNK) {
      let chunk = found.slice(at, at + CHUNK).map((item, offset) => ({ item, row: at + offset + 1 }));
      while (chunk.length) {
        try {
          stored += (await api("POST", `${project}/assets`, { items: chunk.map(({ item }) => item), batches })).assets;
          break;
        } catch (error) {
          const which = /asset (\d+)/.exec(error.message);
          const bad = which && chunk[Number(which[1])];
          if (!bad) throw error;
          problem(list, `row ${bad.row}: ${error.message.replace(/^.*?asset \d+ (is wrong: |has )?/, (all, word) => (word === "has " ? "it has " : ""))}`);
          chunk = chunk.filter((one) => one !== bad);
        }
      }
      sofar += Math.min(CHUNK, found.length - at);
      progress(`${sofar} of ${found.length} …`);
    }
    return stored;
  }

  function form(id, work) {
    const place = byId(id);
    place.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = place.querySelector("[type=submit]");
      const list = place.querySelector(".problems");
      const told = place.querySelector(".said");
      place.querySelector(".refused").hidden = true;
      if (list) { list.hidden = true; list.replaceChildren(); }
      told.textContent = "";
      button.disabled = true;
      button.setAttribute("aria-busy", "true");
      try { await work(place, list, told); } catch (error) {
        told.textContent = "";
        refuse(place, error.message === undefined ? { message: String(error) } : error);
      } finally {
        button.disabled = false;
        button.removeAttribute("aria-busy");
      }
    });
  }

  form("list-form", async (place, list, told) => {
    const file = byId("list-file").files[0];
    const text = file ? await file.text() : place.elements.text.value;
    if (!text.trim()) throw { message: "There is nothing to import", hint: "paste URLs, CSV or JSON, or choose a file" };
    const found = await items(text, file?.name ?? "");
    const batch = byId("list-batch").value.trim();
    const stored = await send(found, batch ? [batch] : [], list, (text) => { told.textContent = text; });
    told.replaceChildren(`${stored} of ${found.length} imported. `, element("a", { href: `/ui/projects/${page.dataset.project}/assets` }, "Look at them"));
  });

  form("labels-form", async (place, list, told) => {
    const files = [...byId("labels-files").files];
    if (!files.length) throw { message: "Choose a file with answers" };
    const isClasses = (file) => /(^|\/)(classes\.txt|data\.ya?ml)$/i.test(file.name);
    const classes = files.find(isClasses);
    const texts = files.filter((file) => file !== classes && /\.txt$/i.test(file.name));
    if (texts.length && !classes) throw { message: "The texts of YOLO need `classes.txt` or `data.yaml`", hint: "choose it together with them" };
    const wholes = classes
      ? [{ format: "yolo", text: await classes.text(), pictures: await Promise.all(texts.map(async (file) => ({ file: file.name, text: await file.text() }))) }]
      : await Promise.all(files.map(async (file) => ({ text: await file.text() })));
    let stored = 0, all = 0, left = 0;
    for (const whole of wholes) {
      const read = await api("POST", `${project}/read`, whole);
      left += read.left_out;
      if (read.added.length) await api("PUT", `${project}/schema`, read.schema);
      for (let at = 0; at < read.items.length; at += CHUNK) {
        const answer = await api("POST", `${project}/labels`, { items: read.items.slice(at, at + CHUNK) });
        stored += answer.stored;
        all += answer.sent;
        answer.problems.forEach((text) => problem(list, text.replace(/^entry (\d+)/, (_, number) => `entry ${Number(number) + at + 1}`)));
        told.textContent = `${all} of ${read.items.length} …`;
      }
      if (read.added.length) problem(list, `New classes: ${read.added.join(", ")}`);
    }
    if (left) problem(list, `${left} objects have a form that is not known here and were left out`);
    told.replaceChildren(`${stored} of ${all} answers stored. `, element("a", { href: `/ui/projects/${page.dataset.project}/assets` }, "Look at them"));
  });

  // ---- Out ---------------------------------------------------------------------------------------------------------------------------

  form("export-form", async (place, list, told) => {
    told.textContent = "Writing …";
    const answer = await api("POST", `${project}/exports`, { stages: [], batches: [], ...fields(place) });
    const address = new URL(answer.url);
    const link = element("a", { href: address.pathname + address.search, download: "", class: "btn btn-sm btn-outline-secondary" }, "Download");
    told.replaceChildren(`${answer.records} records, ${(answer.bytes / 1024).toFixed(1)} KiB. `, link);
    link.focus();
  });
})();
