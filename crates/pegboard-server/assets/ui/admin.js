// Pages of administration: search among settings, fields by provider, what a storage's test said, a key that is shown once.
"use strict";
(() => {
  const { onLoad, open } = window.pegboard;

  /** Shows the settings that have all words in key or text. */
  function filter(form) {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const changed = form.elements.changed.checked;
    let found = 0;
    for (const section of document.querySelectorAll(".settings")) {
      let any = false;
      for (const setting of section.querySelectorAll(".setting")) {
        const text = setting.dataset.words.toLowerCase();
        setting.hidden = !words.every((word) => text.includes(word)) || (changed && !setting.classList.contains("changed"));
        any ||= !setting.hidden;
        found += setting.hidden ? 0 : 1;
      }
      section.hidden = !any;
    }
    document.getElementById("settings-found").textContent = `${found} settings`;
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-filter]");
    if (form) filter(form);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-filter]")) event.preventDefault();
  });

  /** Fields of other providers are neither shown nor sent. */
  function choose(select) {
    for (const field of select.form.querySelectorAll("[data-for]")) {
      const isFor = field.dataset.for.split(" ").includes(select.value);
      field.hidden = !isFor;
      field.querySelectorAll("input, textarea").forEach((input) => { input.disabled = !isFor; });
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-chooses]")) choose(event.target);
  });

  /** What an answer says under a dotted name. */
  function told(answer, name) {
    return name.split(".").reduce((value, key) => value?.[key], answer) ?? "";
  }

  document.addEventListener("sent", (event) => {
    const { target, detail } = event;
    if (target.matches("[data-tests]")) {
      const line = target.querySelector(".told");
      line.className = `told ${detail.reached ? "good" : "bad"}`;
      line.textContent = detail.reached
        ? `Reached: ${detail.files === 1000 ? "1,000 files or more" : `${detail.files} files`} seen.`
        : `Not reached: ${detail.reason}`;
    }
    if (target.matches("[data-shows]")) {
      const dialog = document.getElementById(target.dataset.shows);
      for (const place of dialog.querySelectorAll("[data-shown]")) place.textContent = told(detail, place.dataset.shown);
      target.closest("dialog")?.close();
      target.reset?.();
      open(dialog.id);
      dialog.addEventListener("close", () => {
        dialog.querySelectorAll("[data-shown]").forEach((place) => { place.textContent = ""; });
        window.pegboard.refresh(true);
      }, { once: true });
    }
  });

  onLoad(() => document.querySelectorAll("[data-chooses]").forEach(choose));
})();
