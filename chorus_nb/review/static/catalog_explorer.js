// What belongs to the selection of the table above: counts, series, pictures, headers, and what is decided about it.
function render({ model, el }) {
  const { root, status, complain } = panel(el, "Catalog explorer");
  const ask = asker(model, complain);
  const sql = make("textarea", { rows: "2", "aria-label": "Question in SQL", spellcheck: "false", style: "width:100%" });
  const question = (name, values) => ask(name, values).then(refresh, () => null);
  const further = choice("Draw a further column", [], { onchange: () => question("draw", { column: further.value }) });
  const counts = make("p", { class: "count", role: "status" });
  const list = make("div");
  const [first, second] = ["File", "Compare with"].map((text) => choice(text, []));
  const ready = () => (out.disabled = !reason.value.trim());
  const reason = field("Reason of the exclusion", { size: "32", placeholder: "why? (required)", oninput: ready });
  const name = field("File of the cohort", { size: "14", value: "cohort.csv" });
  const out = button("Exclude what is chosen", () => decide("exclude", { note: reason.value }), { disabled: true });
  const undo = button("Undo", () => decide("undo", {}), { disabled: true });
  const found = make("div", { class: "found" });
  let series = null;
  let inSpace = null;
  let url = "";

  root.append(
    sql,
    bar(
      button("Ask", () => question("ask_sql", { question: sql.value }), { class: "main" }),
      button("All files", () => question("ask_sql", { question: "" })),
      further,
      counts,
    ),
    list,
    bar(
      first,
      button("Header", () => table("header", { path: first.value })),
      second,
      button("Compare", () => table("compare", { path: first.value, other: second.value })),
      button("Pictures", pictures),
      button(webgl() ? "Turn in space" : "no WebGL here: flat pictures only", space, { disabled: !webgl() }),
      button("Findings", () => table("findings", {})),
    ),
    found,
    bar(reason, out, undo, name, button("Write the cohort", () => decide("cohort", { name: name.value }))),
    status,
  );

  async function refresh() {
    const content = model.get("content");
    sql.value = content.sql;
    further.replaceChildren(...["draw also: …", ...content.further].map((text) => make("option", { text })));
    flat();
    const answer = await ask("counts").catch(() => null);
    for (const one of [list, found, counts]) one.replaceChildren();
    fill([]);
    if (!answer) return;
    counts.textContent = Object.entries(answer.totals)
      .map(([what, number]) => `${counted(number)} ${what}`)
      .join(" · ");
    const headings = answer.columns.map((text) => text.replaceAll("_", " "));
    const opening = openingGrid(headings, answer.rows, open);
    list.append(opening.table);
    if (answer.rows.length) opening.choose(0, false);
  }

  async function open(index, look = true) {
    if (inSpace !== index) flat();
    series = index;
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
    const sheet = make("img", { src: url, alt: `Pictures of ${said}`, style: "max-width:100%" });
    found.replaceChildren(make("p", { class: "count", text: said }), sheet);
  }

  // The series in three planes and 3D, below the panel; the same again takes it away.
  async function space() {
    inSpace = inSpace === series ? null : series;
    status.textContent = "Reading the volume …";
    await ask("volume", { series: inSpace }).catch(() => (inSpace = null));
    status.textContent = "";
  }

  function flat() {
    if (inSpace !== null) ask("volume").catch(() => null);
    inSpace = null;
  }

  async function table(what, values) {
    const answer = await ask(what, values).catch(() => null);
    if (answer) found.replaceChildren(make("p", { class: "count", text: answer.said }), grid(answer.columns, answer.rows));
  }

  async function decide(what, values) {
    const answer = await ask(what, values).catch(() => null);
    if (!answer) return;
    status.textContent = answer.said;
    if ("undo" in answer) undo.disabled = !answer.undo;
  }

  model.on("change:content", later(400, refresh));
  refresh();
}

export default { render };
