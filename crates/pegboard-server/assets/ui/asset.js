// One asset: answers light up with their entries, arrow keys go to the neighbours, texts are read and marked.
"use strict";
(() => {
  const { element, onLoad } = window.pegboard;
  const byId = (id) => document.getElementById(id);

  // ---- Neighbours ------------------------------------------------------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.target.closest?.("input, textarea, select, video, audio, dialog, .picture.large, pre, table")) return;
    const link = event.key === "ArrowLeft" ? byId("previous") : event.key === "ArrowRight" ? byId("next") : null;
    if (link?.href) { event.preventDefault(); link.click(); }
  });

  // ---- Light -------------------------------------------------------------------------------------------------------------------

  function light(id, from) {
    const parts = [...document.querySelectorAll("[data-object]")];
    parts.forEach((part) => part.classList.toggle("lit", Boolean(id) && part.dataset.object === id));
    byId("picture")?.classList.toggle("lighting", Boolean(id));
    // From the picture, the list goes to its entry.
    if (id && from?.closest("svg")) parts.find((part) => part.matches("li") && part.dataset.object === id)?.scrollIntoView({ block: "nearest" });
  }
  document.addEventListener("mouseover", (event) => {
    const part = event.target.closest?.("[data-object]");
    light(part?.dataset.object, part);
  });
  document.addEventListener("focusin", (event) => light(event.target.closest?.("[data-object]")?.dataset.object, null));

  // ---- Picture -------------------------------------------------------------------------------------------------------------------

  const picture = byId("picture");
  byId("zoom")?.addEventListener("click", (event) => {
    const large = picture.classList.toggle("large");
    event.target.setAttribute("aria-pressed", String(large));
    event.target.textContent = large ? "Fit" : "Larger";
  });
  byId("answers")?.addEventListener("click", (event) => {
    event.target.setAttribute("aria-pressed", String(!picture.classList.toggle("bare")));
  });
  const image = picture?.querySelector("img");
  const crisp = () => image.classList.toggle("small", image.naturalWidth > 0 && image.naturalWidth < 200);
  if (image?.complete) crisp();
  image?.addEventListener("load", crisp);
  image?.addEventListener("error", () => {
    image.replaceWith(element("p", { class: "meta" }, "The picture cannot be fetched from where it is said to be."));
  });

  // ---- Texts -----------------------------------------------------------------------------------------------------------------------

  const MOST = 1 << 20; // bytes of a file that are shown
  const MOST_ROWS = 500;

  /** Fields of a line of CSV. */
  function cells(line, comma) {
    const found = [];
    let field = "", quoted = false;
    for (let at = 0; at < line.length; at++) {
      const letter = line[at];
      if (quoted) {
        if (letter === '"' && line[at + 1] === '"') { field += '"'; at++; } else if (letter === '"') quoted = false; else field += letter;
      } else if (letter === '"') quoted = true;
      else if (letter === comma) { found.push(field); field = ""; } else field += letter;
    }
    return [...found, field];
  }

  function table(text) {
    const lines = text.split(/\r?\n/).filter((line) => line.trim());
    const comma = (lines[0] || "").includes("\t") ? "\t" : ",";
    const made = element("table");
    lines.slice(0, MOST_ROWS).forEach((line, at) => made.append(element("tr", {}, ...cells(line, comma).map((cell) => element(at ? "td" : "th", {}, cell)))));
    return made;
  }

  /** Marks what the answers say of a text. Marks that cross are not both drawn: the list has all. */
  function marks(text) {
    const spans = [...document.querySelectorAll("li[data-start]")]
      .map((entry) => ({ from: Number(entry.dataset.start), to: Number(entry.dataset.end), entry }))
      .filter(({ from, to }) => from >= 0 && to > from && to <= text.length)
      .sort((a, b) => a.from - b.from);
    const parts = [];
    let at = 0;
    for (const { from, to, entry } of spans) {
      if (from < at) continue;
      parts.push(text.slice(at, from));
      const mark = element("mark", { "data-object": entry.dataset.object }, text.slice(from, to));
      mark.style.setProperty("--ink", entry.dataset.ink);
      parts.push(mark);
      at = to;
    }
    return [...parts, text.slice(at)];
  }

  async function read() {
    const place = byId("asset-text");
    if (!place || place.dataset.read) return;
    place.dataset.read = "yes";
    let text = place.textContent;
    if (place.dataset.from) {
      try {
        const answer = await fetch(place.dataset.from);
        if (!answer.ok) throw new Error(answer.statusText);
        const whole = await answer.blob();
        text = await whole.slice(0, MOST).text();
        if (whole.size > MOST) text += "\n… the rest is in the file";
      } catch {
        place.textContent = "The file cannot be read.";
        return;
      }
    }
    if (place.dataset.media === "csv") place.replaceChildren(table(text));
    else place.replaceChildren(...marks(text));
  }
  onLoad(read);
})();
