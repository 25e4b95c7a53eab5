// The grid of a project's assets. All of them can be scrolled to, but only those that are seen are in the page: cards come a page at a
// time from the same address that shows them without a script.
"use strict";
(() => {
  const grid = document.getElementById("grid");
  if (!grid) return;
  const { api, refuse, toast } = window.pegboard;
  const total = Number(grid.dataset.total);
  const size = Number(grid.dataset.page);
  const project = grid.dataset.project;
  const first = Number(grid.dataset.skip);
  const chosen = new Set();

  // ---- Only what is seen ---------------------------------------------------------------------------------------------------

  const GAP = 12;
  const NARROWEST = 168;
  const BEYOND = 3; // rows above and below what is seen
  const MOST_PAGES = 40; // kept while they are not seen
  const pages = new Map(); // number of the page → its cards; null while it is on its way
  const shown = new Map(); // place → card in the page
  let columns = 1, wide = 0, high = 0, waiting = 0;
  const isFar = total > size;

  function page(number) {
    const address = new URL(location.href);
    address.searchParams.set("skip", number * size);
    address.hash = "";
    return address;
  }

  function measure() {
    const width = grid.clientWidth;
    columns = Math.max(1, Math.floor((width + GAP) / (NARROWEST + GAP)));
    wide = (width - GAP * (columns - 1)) / columns;
    high = parseFloat(getComputedStyle(grid).getPropertyValue("--card-high")) * parseFloat(getComputedStyle(document.documentElement).fontSize) + GAP;
    grid.style.height = `${Math.ceil(total / columns) * high - GAP}px`;
  }

  /** From the first to the last place that is seen, and a bit more. */
  function seen() {
    const top = -grid.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor(top / high) - BEYOND);
    const to = Math.max(0, Math.ceil((top + innerHeight) / high) + BEYOND);
    return [from * columns, Math.min(total, to * columns)];
  }

  function blank() {
    const card = document.createElement("li");
    card.className = "asset waiting";
    card.setAttribute("aria-hidden", "true");
    return card;
  }

  function show() {
    const [from, to] = seen();
    for (const [place, card] of shown) {
      if (place >= from && place < to) continue;
      // What has the keyboard stays where it is.
      if (card.contains(document.activeElement)) continue;
      card.remove();
      shown.delete(place);
    }
    let before = null;
    let lacking = false;
    for (let place = from; place < to; place++) {
      const number = Math.floor(place / size);
      const ready = pages.get(number)?.[place % size];
      if (!pages.has(number)) lacking = true;
      let card = shown.get(place);
      if (!card || (ready && card !== ready)) {
        card?.remove();
        card = ready || blank();
        shown.set(place, card);
        // In the order of places, so that the keyboard goes through them in order.
        if (before) before.after(card); else grid.prepend(card);
        mark(card);
      }
      card.style.width = `${wide}px`;
      card.style.transform = `translate(${(place % columns) * (wide + GAP)}px, ${Math.floor(place / columns) * high}px)`;
      before = card;
    }
    if (lacking && !waiting) waiting = setTimeout(ask, 80);
    window.projects.size(grid);
  }

  /** Asks for what is seen now and is not there: whoever scrolls fast is past the rest. */
  function ask() {
    waiting = 0;
    const [from, to] = seen();
    for (let number = Math.floor(from / size); number * size < to; number++) fetchPage(number);
  }

  async function fetchPage(number) {
    if (pages.has(number)) return;
    pages.set(number, null);
    try {
      const answer = await fetch(page(number), { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      pages.set(number, [...parsed.querySelectorAll("#grid > .asset")].map((card) => document.adoptNode(card)));
    } catch {
      pages.delete(number);
      setTimeout(show, 2000);
      return;
    }
    if (pages.size > MOST_PAGES) {
      const [from, to] = seen();
      const middle = (from + to) / 2 / size;
      const far = [...pages.keys()].sort((a, b) => Math.abs(b - middle) - Math.abs(a - middle));
      for (const old of far.slice(0, pages.size - MOST_PAGES)) pages.delete(old);
    }
    show();
  }

  if (isFar) {
    const cards = [...grid.children];
    if (first % size === 0) pages.set(first / size, cards);
    grid.replaceChildren();
    grid.classList.add("far");
    document.getElementById("grid-pages")?.remove();
    measure();
    if (first) scrollTo(0, grid.getBoundingClientRect().top + scrollY + Math.floor(first / columns) * high);
    show();
    let asked = false;
    const soon = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; show(); });
    };
    addEventListener("scroll", soon, { passive: true });
    new ResizeObserver(() => { measure(); soon(); }).observe(grid);
  }

  // ---- Chosen ones ------------------------------------------------------------------------------------------------------------

  const bar = document.getElementById("picked");
  if (!bar) return; // whoever only looks chooses nothing

  function mark(card) {
    const box = card.querySelector(".asset-pick");
    if (!box) return;
    box.checked = chosen.has(card.dataset.id);
    card.classList.toggle("chosen", box.checked);
  }

  function tell() {
    bar.hidden = chosen.size === 0;
    grid.classList.toggle("picking", chosen.size > 0);
    document.getElementById("picked-count").textContent = `${chosen.size} chosen`;
  }

  let last = null;
  grid.addEventListener("click", (event) => {
    const box = event.target.closest(".asset-pick");
    if (!box) return;
    const card = box.closest(".asset");
    const cards = [...grid.querySelectorAll(".asset[data-id]")];
    // With Shift: all between the one before and this one, as far as they are in the page.
    const between = event.shiftKey && last?.isConnected ? cards.slice(...[cards.indexOf(last), cards.indexOf(card)].sort((a, b) => a - b).map((at, end) => at + end)) : [card];
    for (const one of between) {
      if (box.checked) chosen.add(one.dataset.id); else chosen.delete(one.dataset.id);
      mark(one);
    }
    last = card;
    tell();
  });

  document.getElementById("picked-none").addEventListener("click", () => {
    chosen.clear();
    grid.querySelectorAll(".asset").forEach(mark);
    tell();
  });

  document.getElementById("picked-batch").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    try {
      const batch = await api("POST", `/api/v1/projects/${project}/batches`, { name: form.elements.batch.value });
      const all = [...chosen];
      let assigned = 0;
      for (let at = 0; at < all.length; at += 500) {
        assigned += (await api("POST", `/api/v1/projects/${project}/batches/${batch.id}/assets`, { assets: all.slice(at, at + 500) })).assigned;
      }
      toast(`${assigned} assets are in ${batch.name} now.`, "good");
      chosen.clear();
      grid.querySelectorAll(".asset").forEach(mark);
      tell();
    } catch (error) { refuse(form, error); }
  });

  const removal = document.getElementById("picked-delete");
  removal.addEventListener("click", async () => {
    if (removal.dataset.sure !== "yes") {
      removal.dataset.sure = "yes";
      removal.textContent = `Delete ${chosen.size} with their answers?`;
      setTimeout(() => { removal.dataset.sure = ""; removal.textContent = "Delete"; }, 5000);
      return;
    }
    removal.disabled = true;
    try {
      for (const id of chosen) await api("DELETE", `/api/v1/projects/${project}/assets/${id}`);
      location.reload();
    } catch (error) { refuse(bar, error); } finally { removal.disabled = false; }
  });
  tell();
})();
