// Before the first paint: what was chosen in this browser counts, else what its system prefers. The dashboard reads the same cookie.
"use strict";
(() => {
  const cookie = /(?:^|; )wb_theme=([^;]*)/.exec(document.cookie);
  let chosen = cookie && cookie[1];
  try {
    chosen = localStorage.getItem("wb_theme") || chosen;
  } catch {
    // Without storage the cookie remembers.
  }
  if (!chosen) chosen = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen;
  document.documentElement.dataset.bsTheme = chosen === "light" ? "light" : "dark";
  if (!cookie || cookie[1] !== chosen) document.cookie = `wb_theme=${chosen}; path=/; max-age=31536000; samesite=lax`;
})();
