// Stages and classes as forms. What the form does not know of an entry stays as it is.
"use strict";
(() => {
  const { element, refuse, save, toast } = window.pegboard;
  const { part } = window.projects ?? {};
  const byId = (id) => document.getElementById(id);
  const data = (id) => JSON.parse(byId(id).textContent);

  // ---- Stages --------------------------------------------------------------------------------------------------------------------

  function stages() {
    const place = byId("stages-data");
    if (!place) return;
    let all = data("stages-data");
    let version = place.dataset.revision;
    const path = `/api/v1/projects/${place.dataset.project}/stages`;
    const form = byId("add-stage-form");
    const keep = (body, where, take) => save({ path, body, version, base: all, read: part("stages", path), place: where, done: () => location.reload(), take });
    const { type, plugin } = form.elements;

    const chosen = () => plugin.selectedOptions[0];
    function shape() {
      const isPlugin = type.value === "Plugin";
      form.querySelectorAll("[data-for=Plugin]").forEach((part) => { part.hidden = !isPlugin; });
      const names = JSON.parse(chosen()?.dataset.classes || "[]");
      const group = byId("stage-classes");
      group.querySelectorAll(".stage-class").forEach((old) => old.remove());
      group.hidden = !isPlugin || names.length === 0;
      for (const name of names) {
        const select = element("select", { class: "form-select form-select-sm", "data-model-class": name, "aria-label": `Class for ${name}` }, element("option", { value: "" }, "none"));
        for (const tool of data("tools-data")) {
          const option = element("option", { value: tool.schemaId }, tool.title);
          option.selected = tool.title.toLowerCase() === name.toLowerCase();
          select.append(option);
        }
        group.append(element("div", { class: "stage-class" }, element("span", {}, name), select));
      }
    }
    function fill() {
      const config = chosen()?.dataset.config?.trim();
      form.elements.config.value = config || "{}";
      shape();
    }
    type.addEventListener("change", shape);
    plugin.addEventListener("change", fill);
    fill();

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const before = all.find((stage) => stage.id === form.elements.after.value);
      const stage = { id: crypto.randomUUID?.() ?? `stage-${Date.now()}`, type: type.value, name: form.elements.name.value.trim(), next: before.next.slice(0, 1) };
      if (type.value === "Plugin") {
        try { JSON.parse(form.elements.config.value); } catch (error) {
          refuse(form, { message: `The configuration is not JSON: ${error.message}`, field: "config" });
          return;
        }
        stage.pluginId = plugin.value;
        stage.configJSON = form.elements.config.value;
        const classes = [...form.querySelectorAll("[data-model-class]")].filter((select) => select.value).map((select) => ({ schemaId: select.value, modelClass: select.dataset.modelClass }));
        if (classes.length) stage.categorySchema = classes;
      }
      const at = all.indexOf(before);
      const x = Number(before.position?.x) || 0;
      stage.position = { x: x + 300, y: Number(before.position?.y) || 0 };
      // What stands further right makes room.
      const moved = all.map((other) => ({ ...other, position: Number(other.position?.x) > x ? { ...other.position, x: other.position.x + 300 } : other.position }));
      moved[at] = { ...before, next: [stage.id, ...before.next.slice(1)] };
      moved.splice(at + 1, 0, stage);
      // What was filled in stays: it can be added to theirs.
      const take = (theirs) => {
        ({ value: all, version } = theirs);
        const { after } = form.elements;
        const ends = all.filter((one) => one.type !== "Complete");
        after.replaceChildren(...ends.map((one) => element("option", { value: one.id }, one.name)));
        after.value = ends.some((one) => one.id === before.id) ? before.id : ends.at(-1)?.id;
        toast("Yours is not added yet: look after which stage it comes, and add it to theirs.");
      };
      try { await keep(moved, form, take); } catch (error) { refuse(form, error); }
    });

    document.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-remove-stage]");
      if (!button) return;
      const gone = all.find((stage) => stage.id === button.dataset.removeStage);
      if (button.dataset.sure !== "yes") {
        button.dataset.sure = "yes";
        button.textContent = "Really remove";
        setTimeout(() => { button.dataset.sure = ""; button.textContent = "Remove"; }, 4000);
        return;
      }
      const x = Number(gone.position?.x);
      const closer = (place) => (Number(place?.x) > x ? { ...place, x: place.x - 300 } : place);
      const left = all.filter((stage) => stage !== gone)
        .map((stage) => ({ ...stage, position: closer(stage.position), next: [...new Set(stage.next.flatMap((id) => (id === gone.id ? gone.next.slice(0, 1) : [id])))] }));
      try { await keep(left, byId("content")); } catch (error) { toast(error.message, "bad", error.hint); }
    });
  }

  // ---- Classes -------------------------------------------------------------------------------------------------------------------

  const KINDS = {
    tools: ["bounding-box", "rotated-bounding-box", "polygon", "polyline", "point", "segmentation", "brush", "voxel-brush", "ner", "pdf", "pct"],
    classifications: ["radio", "checkbox", "single-dropdown", "multi-dropdown", "tree-dropdown", "text", "boolean", "instance", "rank"],
    relations: ["one-to-one", "one-to-many", "group"],
  };
  const TITLES = { tools: "Drawn", classifications: "Answered", relations: "Between objects" };
  const COLOURS = ["#9c27b0", "#2196f3", "#4caf50", "#ff9800", "#f44336", "#009688", "#795548", "#607d8b"];

  function schema() {
    const form = byId("schema-form");
    if (!form) return;
    let base = data("schema-data");
    let version = form.dataset.revision;
    let whole;
    function begin(stored) {
      whole = structuredClone(stored);
      for (const group of Object.keys(KINDS)) whole[group] ??= [];
    }
    begin(base);
    const rows = byId("schema-rows");
    const button = byId("schema-save");
    let number = 0;

    function changed() {
      button.disabled = false;
      byId("schema-said").textContent = "Not saved yet";
    }

    function field(text, input) {
      input.id = `class-${++number}`;
      return element("div", {}, element("label", { for: input.id }, text), input);
    }

    function row(group, entry) {
      const colour = element("input", { type: "color", class: "form-control form-control-color", value: /^#[0-9a-f]{6}$/i.test(entry.color) ? entry.color : "#888888" });
      const title = element("input", { class: "form-control", required: "", maxlength: 500, autocomplete: "off" });
      title.value = entry.title ?? "";
      const kind = element("select", { class: "form-select" });
      for (const name of new Set([...KINDS[group], entry.tool])) kind.append(element("option", { value: name }, name));
      kind.value = entry.tool;
      const options = element("textarea", { class: "form-control", rows: 1, placeholder: "One a line" });
      options.value = (entry.options ?? []).map((option) => option.value).join("\n");
      options.rows = Math.min(6, Math.max(1, (entry.options ?? []).length));
      const required = element("input", { type: "checkbox", class: "form-check-input" });
      required.checked = Boolean(entry.required);
      const remove = element("button", { type: "button", class: "btn btn-sm btn-outline-danger", "aria-label": `Remove ${entry.title || "this class"}` }, "Remove");
      const made = element("div", { class: "schema-row" }, field("Colour", colour), field("Title", title), field(group === "tools" ? "Tool" : "Kind", kind), field("Options", options),
        element("label", { class: "form-check" }, required, " Required"), remove);
      options.parentElement.hidden = group !== "classifications";
      if (entry.classifications?.length) {
        made.append(element("p", { class: "meta note-nested" }, `Asks ${entry.classifications.length} more about each: ${entry.classifications.map((one) => one.title).join(", ")}. Edit them as JSON.`));
      }
      colour.oninput = () => { entry.color = colour.value; changed(); };
      title.oninput = () => { entry.title = title.value; changed(); };
      kind.onchange = () => { entry.tool = kind.value; changed(); };
      required.onchange = () => { entry.required = required.checked; changed(); };
      options.oninput = () => {
        const before = entry.options ?? [];
        // An option that is only renamed in place keeps its identity.
        entry.options = options.value.split("\n").map((text) => text.trim()).filter(Boolean)
          .map((value, at, all) => before.find((option) => option.value === value) ?? (all.length === before.length ? { ...before[at], value } : { value }));
        changed();
      };
      remove.onclick = () => { whole[group].splice(whole[group].indexOf(entry), 1); made.remove(); changed(); };
      return made;
    }

    function draw() {
      rows.replaceChildren();
      for (const group of Object.keys(KINDS)) {
        if (whole[group].length) rows.append(element("h2", {}, TITLES[group]));
        whole[group].forEach((entry) => rows.append(row(group, entry)));
      }
    }

    form.addEventListener("click", (event) => {
      const group = event.target.dataset?.add;
      if (!group) return;
      const count = Object.values(whole).flat().length;
      whole[group].push({ tool: KINDS[group][0], title: "", color: COLOURS[count % COLOURS.length], required: false, options: [], classifications: [] });
      byId("schema-empty")?.remove();
      draw();
      const of = { tools: whole.tools.length, classifications: whole.tools.length + whole.classifications.length, relations: count + 1 }[group];
      rows.querySelectorAll(".schema-row")[of - 1]?.querySelector("input:not([type=color])")?.focus();
      changed();
    });

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.setAttribute("aria-busy", "true");
      const path = `/api/v1/projects/${form.dataset.project}/schema`;
      const take = (theirs) => {
        ({ value: base, version } = theirs);
        begin(base);
        draw();
        button.disabled = true;
        byId("schema-said").textContent = "This is theirs, as it is stored";
      };
      form.querySelector(".refused").hidden = true;
      try {
        await save({ path, body: whole, version, base, read: part("schema", path), place: form, done: () => location.reload(), take });
      } catch (error) { refuse(form, error); } finally { button.removeAttribute("aria-busy"); }
    });
    draw();
  }

  stages();
  schema();
})();
