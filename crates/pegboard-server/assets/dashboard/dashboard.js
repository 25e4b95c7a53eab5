// What pages of the dashboard do by themselves: pick and remember a row, switch the theme, take panels that were saved anew.
(function () {
  "use strict";

  const noUpdate = () => window.dash_clientside.no_update;

  function chosen() {
    return new URLSearchParams(window.location.search).get("name");
  }

  function triggered() {
    return window.dash_clientside.callback_context.triggered_id;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.pegboard = {
    // The title, and which link is the page that is open.
    title(data) {
      document.title = (data && data.title) || "Dashboard";
      const here = window.location.pathname.replace(/\/$/, "");
      document.querySelectorAll(".pegboard-link").forEach((link) => {
        const there = new URL(link.href, window.location.href).pathname.replace(/\/$/, "");
        link.classList.toggle("active", here === there);
      });
      return "";
    },

    theme(...clicks) {
      const id = triggered();
      if (!id || !clicks.some(Boolean)) {
        return noUpdate();
      }
      const theme = id.replace("pegboard-theme-", "");
      try {
        localStorage.setItem("wb_theme", theme);
      } catch (error) {
        // Without storage the cookie remembers.
      }
      document.cookie = "wb_theme=" + theme + "; path=/; max-age=31536000; samesite=lax";
      const root = document.documentElement;
      root.setAttribute("data-bs-theme", (window.pegboardDarkThemes || []).includes(theme) ? "dark" : "light");
      root.setAttribute("data-theme", theme);
      const sheet = document.querySelector("link[href*='/custom.css']");
      if (sheet) {
        sheet.href = sheet.href.split("?")[0] + "?" + Date.now();
      }
      return theme;
    },

    // The row that the address names, else the first; what is selected stays when it is still there.
    pick(rows, selected) {
      if (!rows || !rows.length) {
        return noUpdate();
      }
      const names = rows.map((row) => row.name);
      const now = selected && selected.length ? selected[0].name : null;
      if (now && names.includes(now)) {
        return noUpdate();
      }
      const wanted = names.indexOf(chosen());
      return [rows[wanted < 0 ? 0 : wanted]];
    },

    remember(selected) {
      if (!selected || !selected.length) {
        return noUpdate();
      }
      const url = new URL(window.location.href);
      url.searchParams.set("name", selected[0].name);
      window.history.replaceState(window.history.state, "", url);
      const page = url.pathname.replace(/\/$/, "").split("/").pop();
      const href = "/ui/artifacts/" + page.replace(/s$/, "") + "/" + encodeURIComponent(selected[0].name);
      window.dash_clientside.set_props(page + "_origin", { href: href, hidden: false });
      return true;
    },

    // A row of the main page leads to the page of its kind.
    open(...tables) {
      const id = triggered();
      const rows = (tables.find((rows) => rows && rows.length) || []);
      if (!id || !rows.length) {
        return noUpdate();
      }
      const page = id.replace("main_", "");
      return "/ui/dash/" + page + "?name=" + encodeURIComponent(rows[0].name);
    },
  };

  async function take(key, noticeOnly) {
    const answer = await fetch("/ui/dash/_panels/" + encodeURIComponent(key), { cache: "no-store" });
    if (!answer.ok) {
      return;
    }
    const panel = await answer.json();
    if (!document.getElementById(panel.wrapper)) {
      return;
    }
    const set = window.dash_clientside.set_props;
    set(panel.wrapper + "-notice", { children: panel.notice });
    if (!noticeOnly) {
      set(panel.wrapper + "-body", { children: [panel.layout] });
      // The update of the panel listens to it, with the row that is selected.
      set(panel.wrapper + "-edition", { data: panel.edition });
    }
  }

  // Whether a path of a page, perhaps with variables, is the one that is open.
  function isOpen(path) {
    const here = window.location.pathname.replace(/^\/ui\/dash/, "").replace(/\/$/, "").split("/");
    const there = path.replace(/\/$/, "").split("/");
    return here.length === there.length && there.every((part, at) => part === here[at] || part.includes("<"));
  }

  function reload() {
    window.location.reload();
  }

  // The shell around the page hears the news.
  function follow() {
    // The server was away: what it serves now may be another site.
    document.addEventListener("news:back", reload);
    document.addEventListener("news:missed", reload);
    document.addEventListener("news:dashboard", (news) => {
      const change = JSON.parse(news.detail);
      if (change.type === "site") {
        reload();
      } else if (change.type === "state") {
        if (document.getElementById("pegboard-status")) {
          reload();
        }
      } else if (change.type === "pages") {
        if (change.paths.some(isOpen)) {
          reload();
        }
      } else {
        change.keys.forEach((key) => take(key, change.type === "notices"));
      }
    });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[id^='pegboard-reload-']");
    if (button) {
      button.disabled = true;
      const id = button.id.replace("pegboard-reload-", "");
      fetch("/api/v1/dashboard/plugins/" + id + "/reload", { method: "POST" });
    }
  });

  follow();
})();
