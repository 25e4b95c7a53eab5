// Pages of workflows and runs: the dialog that runs one, logs that grow at both ends, filters that apply at once.
"use strict";
(() => {
  const { api, element, logLine, onLoad, open, refresh, refuse, streamed, toast } = window.pegboard;
  const byId = (id) => document.getElementById(id);
  const LEVELS = ["debug", "info", "warning", "error"];
  const MOST_LINES = 5000;
  document.documentElement.classList.add("scripted");

  // ---- Running -----------------------------------------------------------------------------------------------------------

  let workflow = null;

  async function ask(name) {
    workflow = name;
    byId("run-title").textContent = `Run ${name}`;
    byId("run-about").textContent = "Looking at what the stages take …";
    byId("run-fields").replaceChildren();
    byId("run-form").querySelector(".refused").hidden = true;
    open("run-dialog");
    let known;
    try {
      known = await api("GET", `/api/v1/workflows/${encodeURIComponent(name)}/parameters`);
    } catch (error) {
      byId("run-about").textContent = error.message;
      return;
    }
    if (workflow !== name) return;
    byId("run-fields").replaceChildren(...known.parameters.map(field));
    const unknown = known.unknown.length ? ` What ${known.unknown.join(", ")} takes is not known: its plugin does not answer.` : "";
    byId("run-about").textContent = (known.parameters.length ? "What is left empty takes its default." : "It takes no input.") + unknown;
    byId("run-more").open = !known.parameters.length && known.unknown.length > 0;
    byId("run-fields").querySelector("input, select, textarea")?.focus();
  }

  function field(parameter, position) {
    const id = `run-field-${position}`;
    const kind = parameter.annotation.replace(/\s*\|\s*None$/, "");
    const shared = { id, "data-name": parameter.name, "data-kind": kind, required: parameter.required ? "" : null, class: "form-control" };
    let input;
    if (kind === "bool") {
      input = element("select", { ...shared, class: "form-select" },
        ...(parameter.required ? [] : [element("option", { value: "" }, parameter.default === null ? "default" : `default: ${parameter.default}`)]),
        element("option", { value: "true" }, "true"), element("option", { value: "false" }, "false"));
    } else if (kind === "int" || kind === "float") {
      input = element("input", { ...shared, type: "number", step: kind === "int" ? 1 : "any", placeholder: parameter.default ?? "" });
    } else if (parameter.is_list) {
      input = element("textarea", { ...shared, class: "form-control code", rows: 3, placeholder: "[1, 2, 3]" });
    } else {
      input = element("input", { ...shared, type: "text", autocomplete: "off", placeholder: parameter.default ?? "" });
    }
    const about = [parameter.is_list ? "a list: a stage runs once for each item" : parameter.annotation, `for ${parameter.stages.join(", ")}`].filter(Boolean).join(" · ");
    return element("div", { class: "field" }, element("label", { for: id }, parameter.name, " ", element("span", { class: "parameter-kind" }, about)), input);
  }

  /** JSON when it reads as JSON, else text, as on the command line; a field for text takes text. */
  function value(input) {
    if (input.dataset.kind === "str") return input.value;
    try { return JSON.parse(input.value); } catch { return input.value; }
  }

  async function start(form) {
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      const input = {};
      for (const one of form.querySelectorAll("[data-name]")) if (one.value !== "") input[one.dataset.name] = value(one);
      const more = byId("run-json").value.trim();
      if (more) {
        let object;
        try { object = JSON.parse(more); } catch (error) { throw { message: `The input is not JSON: ${error.message}` }; }
        if (typeof object !== "object" || Array.isArray(object) || object === null) throw { message: "The input is not an object", hint: "Write it as {\"key\": value}" };
        Object.assign(input, object);
      }
      const body = { workflow, input };
      if (byId("run-namespace").value.trim()) body.namespace = byId("run-namespace").value.trim();
      const run = await api("POST", "/api/v1/runs", body);
      location.assign(`/ui/runs/${run.uid}`);
    } catch (error) {
      if (error.message === undefined) throw error;
      refuse(form, error);
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }

  async function again(button) {
    button.disabled = true;
    try {
      const { workflow, input, namespace } = await api("GET", `/api/v1/runs/${button.dataset.again}`);
      const run = await api("POST", "/api/v1/runs", { workflow, input, namespace });
      location.assign(`/ui/runs/${run.uid}`);
    } catch (error) {
      toast(error.message, "bad", error.hint);
      button.disabled = false;
    }
  }

  document.addEventListener("submit", (event) => {
    if (event.target.id === "run-form") {
      event.preventDefault();
      start(event.target);
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-run], [data-again]");
    if (!button) return;
    if (button.dataset.run) ask(button.dataset.run);
    else again(button);
  });

  document.addEventListener("change", (event) => event.target.closest("[data-auto]")?.requestSubmit());

  // ---- Logs --------------------------------------------------------------------------------------------------------------

  function follow() {
    const log = byId("log");
    if (!log || log.begun) return;
    log.begun = true;
    log.scrollTop = log.scrollHeight;
    if (!log.dataset.follow) return;
    const { stage, level } = log.dataset;
    const stream = streamed(log.dataset.follow, ["log", "end"], (kind, event) => {
      if (kind === "end") {
        stream.close();
        refresh();
        return;
      }
      const said = JSON.parse(event.data);
      if ((stage && said.stage !== stage) || (level && LEVELS.indexOf(said.level) < LEVELS.indexOf(level))) return;
      const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      log.hidden = false;
      byId("log-empty")?.remove();
      log.append(logLine(said));
      while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
      if (atEnd) log.scrollTop = log.scrollHeight;
    });
    // Bars of stages that are on grow although nothing happens.
    const grow = setInterval(() => {
      if (stream.over) clearInterval(grow);
      else if (!document.hidden) refresh();
    }, 3000);
  }

  onLoad(follow);
})();
