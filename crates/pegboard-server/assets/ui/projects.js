// What several pages of projects need: drawings over pictures of unknown size, forms whose one field is the whole body.
"use strict";
(() => {
  const { api, refuse, refresh, onLoad, save, toast } = window.pegboard;

  /** Asks what is stored now of a part of the project, which is put below the project's own path. */
  const part = (name, path) => async () => {
    const project = await api("GET", path.slice(0, path.lastIndexOf("/")));
    return { version: project.revision, value: project[name] };
  };

  /** Gives a drawing the size of its picture, when the server does not know it. */
  function size(root = document) {
    for (const drawing of root.querySelectorAll(".drawing[data-unsized]")) {
      const picture = drawing.parentElement.querySelector("img");
      const take = () => {
        if (!picture.naturalWidth) return;
        drawing.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
        drawing.removeAttribute("data-unsized");
      };
      if (picture?.complete) take();
      else picture?.addEventListener("load", take, { once: true });
    }
    for (const picture of root.querySelectorAll(".thumbnail img")) {
      if (picture.watched) continue;
      picture.watched = true;
      // What cannot be fetched says so, in place of the browser's broken picture.
      const gone = () => {
        const said = document.createElement("span");
        said.className = "thumbnail-kind";
        said.textContent = "not reachable";
        picture.replaceWith(said);
      };
      if (picture.complete && !picture.naturalWidth && picture.currentSrc) gone();
      else picture.addEventListener("error", gone, { once: true });
    }
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.matches("form[data-whole]")) {
      event.preventDefault();
      const [, path] = form.dataset.whole.split(" ");
      let body;
      try { body = JSON.parse(form.elements.whole.value); } catch (error) {
        refuse(form, { message: `This is not JSON: ${error.message}`, field: "whole" });
        return;
      }
      const take = (theirs) => {
        form.elements.whole.value = JSON.stringify(theirs.value, null, 2);
        form.elements.whole.defaultValue = form.elements.whole.value;
        form.dataset.version = theirs.version;
      };
      form.querySelector(".refused").hidden = true;
      try {
        const base = JSON.parse(form.elements.whole.defaultValue);
        await save({ path, body, version: form.dataset.version, base, read: part(form.dataset.part, path), place: form, done: () => location.reload(), take });
      } catch (error) { refuse(form, error); }
    } else if (form.matches("#assign")) {
      event.preventDefault();
      const { project, assets } = form.dataset;
      try {
        await api("POST", `/api/v1/projects/${project}/batches/${encodeURIComponent(form.elements.batch.value)}/assets`, { assets: assets.split(",") });
        toast("Put into the batch.", "good");
        refresh(true);
      } catch (error) { refuse(form, error); }
    }
  });

  // The API takes one filter: choosing one lets go of the others, and goes at once.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-one-of]");
    if (!form || !event.target.name) return;
    for (const field of form.elements) if (field.name && field !== event.target) field.value = "";
    form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-one-of]")) return;
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });

  window.projects = { part, size };
  onLoad(() => size());
})();
