// Pages of plugins and sessions: filters that work as one types, the plugin that was just made with its secret, scripts, installs that tell
// how far they are.
"use strict";
(() => {
  const { api, element, fields, refresh, refuse, toast, open, onLoad } = window.pegboard;
  const byId = (id) => document.getElementById(id);

  // ---- Filters ---------------------------------------------------------------------------------------------------------------

  let typed = 0;

  function filter(form) {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
    const place = `${form.getAttribute("action")}${query.size ? `?${query}` : ""}`;
    history.replaceState(history.state, "", place);
    htmx.ajax("GET", place, { target: byId("content"), select: "#content", swap: "morph:outerHTML" });
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-instant]");
    if (!form) return;
    clearTimeout(typed);
    typed = setTimeout(() => filter(form), event.target.matches("select") ? 0 : 200);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-instant]")) { event.preventDefault(); filter(event.target); }
  });

  // ---- JSON while it is written ------------------------------------------------------------------------------------------------

  /** What is wrong with a text that should be JSON; empty when nothing is. */
  function wrong(text, any) {
    if (!text.trim()) return any ? "" : "It is empty: write {} for no settings.";
    try {
      const value = JSON.parse(text);
      if (!any && (value === null || typeof value !== "object" || Array.isArray(value))) return "It is no JSON object: begin with {.";
      return "";
    } catch (error) {
      return `It is not JSON: ${error.message}`;
    }
  }

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches?.("[data-json]")) return;
    const says = field.parentElement.querySelector("[data-json-says]");
    const why = wrong(field.value, field.dataset.json === "any");
    field.setCustomValidity(why);
    field.toggleAttribute("aria-invalid", Boolean(why));
    if (!says) return;
    says.dataset.before ??= says.textContent;
    says.textContent = why || says.dataset.before;
    says.classList.toggle("bad", Boolean(why));
  });

  // ---- Scripts -----------------------------------------------------------------------------------------------------------------

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-client-button], [data-download]");
    if (!button) return;
    if (button.dataset.clientButton) {
      const around = button.closest(".scripts");
      around.querySelectorAll("[data-client-button]").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
      around.querySelectorAll("[data-client]").forEach((one) => { one.hidden = one.dataset.client !== button.dataset.clientButton; });
      return;
    }
    const text = byId(button.dataset.downloadFrom)?.textContent ?? "";
    const address = URL.createObjectURL(new Blob([text], { type: "text/x-python" }));
    const link = element("a", { href: address, download: button.dataset.download });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });

  document.addEventListener("change", async (event) => {
    const file = event.target.matches?.("[data-fills]") && event.target.files[0];
    if (!file) return;
    byId(event.target.dataset.fills).value = await file.text();
    if (event.target.dataset.names) byId(event.target.dataset.names).value = file.name;
  });

  // ---- A plugin that was made ----------------------------------------------------------------------------------------------------

  function kept(label, id, value) {
    return element("div", { class: "kept" }, element("span", { class: "kept-label" }, label), element("code", { id }, value),
      element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "data-copy": value, "aria-label": `Copy the ${label.toLowerCase()}` }, "Copy"));
  }

  function script(one, number, hidden) {
    const text = element("code", { id: `told-script-${number}` }, one.script);
    const box = element("div", { class: "script", "data-client": one.client });
    box.hidden = hidden;
    if (one.requirements) {
      const wanted = one.requirements.trim().split("\n").map((line) => `"${line}"`).join(" ");
      box.append(element("pre", { class: "command", tabindex: 0 }, element("code", { id: `told-install-${number}` }, `pip install ${wanted}\npython ${one.file_name}`)));
    } else {
      box.append(element("p", { class: "hint" }, "Hosted here, pegboard.hub is there already. Elsewhere, install the folder python of Pegboard's source with pip."));
    }
    box.append(
      element("div", { class: "code-head" }, element("code", {}, one.file_name), element("span", { class: "actions" },
        element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "data-copy": "", "data-copy-from": `told-script-${number}` }, "Copy"),
        element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "data-download": one.file_name, "data-download-from": `told-script-${number}` }, "Download"))),
      element("pre", { class: "code-text", tabindex: 0 }, text));
    return box;
  }

  /** Shows id, secret and scripts, this once, with a light that turns as one watches. */
  function told(place, made, title) {
    const light = element("span", { class: "light", role: "status" }, "waits for the script");
    const scripts = element("div", { class: "scripts" });
    const buttons = element("span", { class: "actions switch", role: "group", "aria-label": "Client" });
    made.scripts.forEach((one, number) => {
      buttons.append(element("button", { type: "button", class: "btn btn-sm btn-outline-secondary", "data-client-button": one.client, "aria-pressed": String(number === 0) }, one.client === "pegboard" ? "pegboard.hub" : one.client));
      scripts.append(script(one, number, number > 0));
    });
    scripts.prepend(element("div", { class: "head" }, element("h3", {}, "Ready to run"), buttons));
    const host = element("button", { type: "button", class: "btn btn-outline-secondary" }, "Let this server run it");
    const done = element("button", { type: "button", class: "btn btn-primary" }, "I have kept the secret");
    place.replaceChildren(
      element("div", { class: "head" }, element("h2", {}, title), light),
      element("p", { class: "meta" }, "The secret is told this once: keep it like a password. It stands in the script below, too."),
      kept("Id", "told-id", made.id), kept("Secret", "told-secret", made.secret), scripts,
      element("div", { class: "refused", role: "alert", hidden: "" }),
      element("div", { class: "actions" }, host, done));
    place.hidden = false;
    const turn = (live) => {
      light.classList.toggle("on", live);
      light.textContent = live ? "live" : "waits for the script";
      host.hidden = live;
    };
    const turned = (event) => {
      const news = JSON.parse(event.detail);
      if (news.plugin === made.id) turn(news.live);
    };
    document.addEventListener("news:live", turned);
    turn(made.live);
    host.onclick = async () => {
      host.disabled = true;
      host.setAttribute("aria-busy", "true");
      const own = made.scripts.find((one) => one.client === "pegboard");
      // The server says the secret to the scripts that it runs.
      const text = own.script.replace(/^PLUGIN_SECRET = .*$/m, 'PLUGIN_SECRET = os.environ["PLUGIN_SECRET"]');
      try {
        await api("PUT", `/api/v1/hub/plugins/${made.id}/host`, { file_name: own.file_name, script: text, requirements: "" });
        light.textContent = "its environment is being made";
      } catch (error) {
        host.disabled = false;
        refuse(place, error);
      }
      host.removeAttribute("aria-busy");
    };
    const dialog = place.closest("dialog");
    done.onclick = () => {
      document.removeEventListener("news:live", turned);
      dialog.close();
      location.assign(`/ui/plugins/hub/${made.id}`);
    };
    done.focus();
  }

  function forTypes(form) {
    const type = form.elements.type.value;
    form.querySelectorAll("[data-for-types]").forEach((one) => { one.hidden = !one.dataset.forTypes.split(" ").includes(type); });
  }

  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form?.id === "create-form") forTypes(form);
  });
  document.addEventListener("sent", (event) => {
    if (event.target.id !== "create-form") return;
    event.target.hidden = true;
    event.target.closest("dialog").classList.add("large");
    told(byId("created"), event.detail, `${event.detail.name} is made`);
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("#rotate");
    if (!button) return;
    button.disabled = true;
    try {
      const made = await api("POST", `/api/v1/hub/plugins/${button.dataset.plugin}/secret`);
      open("told");
      byId("told").classList.add("large");
      told(byId("created"), made, `${made.name} has a new secret`);
    } catch (error) {
      toast(error.message, "bad", error.hint);
    }
    button.disabled = false;
  });
  // What is told once is not lost by a key or a press beside it.
  document.addEventListener("cancel", (event) => {
    if (event.target.querySelector?.("#told-secret")) event.preventDefault();
  }, true);

  // ---- Installs ------------------------------------------------------------------------------------------------------------------

  const STEPS = { resolve: "Resolving requirements", create: "Making the environment", install: "Installing packages", compile: "Compiling", discover: "Looking for what it adds", load: "Loading", swap: "Taking over" };

  /** Answers of JSON lines, one call for each. */
  async function lines(path, body, each) {
    const headers = { "Content-Type": "application/json" };
    const token = document.querySelector("meta[name=csrf-token]")?.content;
    if (token) headers["X-CSRF-Token"] = token;
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw (await answer.json()).error;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      const parts = (rest + (value ?? "")).split("\n");
      rest = done ? "" : parts.pop();
      parts.filter(Boolean).forEach((line) => each(JSON.parse(line)));
      if (done) return;
    }
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-stream]")) return;
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    const steps = form.querySelector(".steps");
    form.querySelector(".refused").hidden = true;
    steps.hidden = false;
    steps.replaceChildren();
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      let plugin = null;
      let failure = null;
      await lines(form.dataset.stream, fields(form), (news) => {
        if (news.event === "step") {
          const last = steps.lastElementChild;
          const text = news.detail || "";
          if (last?.dataset.step === news.step) last.querySelector("small").textContent = text;
          else {
            last?.classList.add("done");
            steps.append(element("li", { "data-step": news.step }, STEPS[news.step] || news.step, element("small", {}, text)));
          }
        } else if (news.event === "done") plugin = news.plugin;
        else failure = news.error;
      });
      if (failure) throw failure;
      if (!plugin) throw { message: "The server broke off", hint: "The install goes on there; this page shows what became of it." };
      steps.lastElementChild?.classList.add("done");
      toast(`${plugin.name} ${plugin.version} is installed`, plugin.state === "broken" ? "bad" : "good");
      if (form.dataset.done === "reload") location.reload();
      else location.assign(form.dataset.done.replace("{name}", encodeURIComponent(plugin.name)));
    } catch (error) {
      steps.lastElementChild?.classList.add("failed");
      refuse(form, error.message ? error : { message: "The server cannot be reached" });
    } finally {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  });

  // ---- What is asked again and again, and what an address opens --------------------------------------------------------------------

  setInterval(() => { if (document.querySelector("[data-poll]") && !document.hidden) refresh(); }, 3000);

  const opened = () => {
    if (location.hash === "#create" && byId("create")) { history.replaceState(null, "", location.pathname); open("create"); }
  };
  addEventListener("hashchange", opened);
  onLoad(() => { if (byId("create-form")) forTypes(byId("create-form")); });
  opened();

  window.pegboard.wrong = wrong;
})();
