// Keeps a page true: when the server says that something is new, the changing part is fetched again; log lines are appended as
// they come. Without this script the page is right at every reload.
"use strict";
(() => {
  const live = document.getElementById("live");
  if (!live) return;
  const connection = document.getElementById("connection");
  const log = document.getElementById("log");
  const MOST_LINES = 5000;
  let waiting = false;
  let again = false;

  async function refresh() {
    if (waiting) { again = true; return; }
    waiting = true;
    again = false;
    try {
      const answer = await fetch(live.dataset.fragment, { headers: { Accept: "text/html" } });
      if (answer.ok) replace(await answer.text());
    } catch { /* the event stream says that the server is gone */ }
    setTimeout(() => { waiting = false; if (again) refresh(); }, 400);
  }

  // Opened details stay open, and nothing moves under somebody who reads.
  function replace(html) {
    const key = (details) => [...document.querySelectorAll("#live details")].indexOf(details);
    const open = new Set([...live.querySelectorAll("details[open]")].map(key));
    const active = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    live.innerHTML = html;
    live.querySelectorAll("details").forEach((details, position) => { details.open = open.has(position); });
    if (active) live.querySelector(`a[href="${CSS.escape(active)}"]`)?.focus();
  }

  function append(line) {
    const part = (tag, text, name) => {
      const element = document.createElement(tag);
      if (name) element.className = name;
      element.textContent = text;
      return element;
    };
    const item = document.createElement("li");
    item.className = line.level;
    item.append(part("time", line.time.slice(11, 19)), part("span", line.stage ?? "", "stage"), part("span", line.text, "text"));
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(item);
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
    document.getElementById("no-log").hidden = true;
  }

  function say(text, lost) {
    connection.textContent = text;
    connection.classList.toggle("lost", Boolean(lost));
  }

  // The log of a run that is over is complete up to the page's last line: the stream sends the rest and ends.
  const events = new EventSource(live.dataset.events);
  let lost = false;
  events.onopen = () => { say("live"); if (lost) refresh(); lost = false; };
  events.onerror = () => { lost = true; say("connection lost, trying again", true); };
  for (const name of ["plugin", "worker", "run", "stage", "missed"]) events.addEventListener(name, refresh);
  if (log) events.addEventListener("log", (event) => append(JSON.parse(event.data)));
  events.addEventListener("end", () => { events.close(); say(""); refresh(); });
})();
