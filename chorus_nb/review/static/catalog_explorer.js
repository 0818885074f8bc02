// What belongs to the selection of the table above: counts, series, pictures, headers, and what is decided about it.
function render({ model, el }) {
  const { root, status, complain } = panel(el, "Catalog explorer");
  const ask = asker(model, complain);
  const button = (text, onclick, more = {}) => make("button", { text, onclick, ...more });
  const sql = make("textarea", { rows: "2", "aria-label": "Question in SQL", spellcheck: "false", style: "width:100%" });
  const further = make("select", { "aria-label": "Draw a further column", onchange: () => question("draw", { column: further.value }) });
  const counts = make("p", { class: "count", role: "status" });
  const list = make("div");
  const [first, second] = ["File", "Compare with"].map((text) => make("select", { "aria-label": text }));
  const reason = make("input", { size: "32", placeholder: "why? (required)", "aria-label": "Reason of the exclusion" });
  const name = make("input", { size: "14", value: "cohort.csv", "aria-label": "File of the cohort" });
  const out = make("button", { text: "Exclude what is chosen", disabled: true, onclick: () => decide("exclude", { note: reason.value }) });
  const undo = make("button", { text: "Undo", disabled: true, onclick: () => decide("undo", {}) });
  const found = make("div", { class: "found" });
  let series = null;
  let url = "";

  root.append(
    sql,
    make("div", { class: "bar" }, button("Ask", () => question("ask_sql", { question: sql.value }), { class: "main" }), button("All files", () => question("ask_sql", { question: "" })), further, counts),
    list,
    make(
      "div",
      { class: "bar" },
      first,
      button("Header", () => table("header", { path: first.value })),
      second,
      button("Compare", () => table("compare", { path: first.value, other: second.value })),
      button("Pictures", pictures),
      button("Findings", () => table("findings", {})),
    ),
    found,
    make("div", { class: "bar" }, reason, out, undo, name, button("Write the cohort", () => decide("cohort", { name: name.value }))),
    status,
  );

  function grid(columns, rows, make_row = (cells) => make("tr", {}, ...cells.map((text) => make("td", { text })))) {
    return scrollingTable(columns, make("tbody", {}, ...rows.map(make_row)));
  }

  async function refresh() {
    const content = model.get("content");
    sql.value = content.sql;
    further.replaceChildren(...["draw also: …", ...content.further].map((text) => make("option", { text })));
    const answer = await ask("counts").catch(() => null);
    list.replaceChildren();
    found.replaceChildren();
    counts.textContent = "";
    fill([]);
    if (!answer) return;
    counts.textContent = Object.entries(answer.totals)
      .map(([what, number]) => `${number.toLocaleString("en")} ${what}`)
      .join(" · ");
    const rows = answer.rows.map((cells, index) =>
      make(
        "tr",
        {
          tabindex: "0",
          role: "button",
          onclick: () => open(index, rows),
          onkeydown: (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            open(index, rows);
            event.preventDefault();
          },
        },
        ...cells.map((text) => make("td", { text })),
      ),
    );
    list.append(scrollingTable(answer.columns.map((text) => text.replaceAll("_", " ")), make("tbody", {}, ...rows)));
    if (rows.length) open(0, rows, false);
  }

  async function open(index, rows, look = true) {
    series = index;
    rows.forEach((row, number) => row.classList.toggle("chosen", number === index));
    const answer = await ask("files", { series }).catch(() => null);
    if (!answer) return;
    fill(answer.files);
    if (look) await pictures();
  }

  function fill(files) {
    for (const select of [first, second]) select.replaceChildren(...files.map((text) => make("option", { text })));
    second.selectedIndex = Math.min(1, files.length - 1);
  }

  async function pictures() {
    const answer = await ask("pictures", { series }).catch(() => null);
    if (!answer) return;
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(new Blob([answer.buffers[0]], { type: "image/png" }));
    const said = `${answer.shown} of ${answer.of} files` + (answer.failed ? `, ${answer.failed} cannot be shown` : "");
    found.replaceChildren(make("p", { class: "count", text: said }), make("img", { src: url, alt: `Pictures of ${said}`, style: "max-width:100%" }));
  }

  async function table(what, values) {
    const answer = await ask(what, values).catch(() => null);
    if (answer) found.replaceChildren(make("p", { class: "count", text: answer.said }), grid(answer.columns, answer.rows));
  }

  async function question(name, values) {
    if (await ask(name, values).catch(() => null)) await refresh();
  }

  async function decide(what, values) {
    const answer = await ask(what, values).catch(() => null);
    if (!answer) return;
    status.textContent = answer.said;
    if ("undo" in answer) undo.disabled = !answer.undo;
  }

  reason.addEventListener("input", () => {
    out.disabled = !reason.value.trim();
  });
  model.on("change:content", later(400, refresh));
  refresh();
}

export default { render };
