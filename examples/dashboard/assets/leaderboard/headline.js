// Functions that pages name with ClientsideFunction("leaderboard", ...).
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  leaderboard: {
    headline: function (rows, selected) {
      if (!rows || rows.length === 0) {
        return "No model has been measured yet.";
      }
      const row = selected && selected.length ? selected[0] : rows[0];
      const place = rows.filter((each) => each.Type === row.Type && each.Metric === row.Metric).findIndex((each) => each.id === row.id) + 1;
      return `${row.Model} in ${row.Run}: ${row.Metric} ${row.Value}, place ${place} among its kind`;
    },
  },
});
