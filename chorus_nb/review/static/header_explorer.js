function render({ model, el }) {
  const content = model.get("content");
  const { root, status, complain } = panel(el, "Header explorer");
  const ask = asker(model, complain);
  let table = { columns: [], rows: [] };
  const closed = new Set();

  const modalities = [...new Set(content.series.map(([name]) => name))].map((name) => [name]);
  const modality = choice("Modality", modalities, { onchange: fillSeries });
  const series = choice("Series", [], { onchange: fillFiles });
  const file = choice("File", [], { onchange: read });
  const search = field("Search the header", { type: "search", placeholder: "tag, keyword or value", oninput: later(120, draw) });
  const changed = make("input", { type: "checkbox", onchange: draw });
  const count = make("span", { class: "count" });
  const body = make("tbody");
  const distribution = make("div", { class: "distribution" });
  root.append(
    bar(modality, series, file),
    bar(search, make("label", {}, changed, "only what changes"), count),
    scrollingTable(["tag", "keyword", "VR", "before", "after", "rule"], body),
    distribution,
    status,
  );

  function fillSeries() {
    series.replaceChildren(
      ...content.series.flatMap(([name, description, files], index) =>
        name === modality.value ? [make("option", { value: index, text: `${description} (${files})` })] : [],
      ),
    );
    return fillFiles();
  }

  async function fillFiles() {
    const answer = await ask("files", { series: Number(series.value) }).catch(() => null);
    if (!answer) return;
    file.replaceChildren(...answer.files.map((path) => make("option", { text: path })));
    await read();
  }

  async function read() {
    body.replaceChildren();
    table = await ask("header", { path: file.value }).catch(() => ({ columns: [], rows: [] }));
    draw();
  }

  function draw() {
    const at = Object.fromEntries(table.columns.map((name, index) => [name, index]));
    const words = search.value.toLowerCase();
    const visible = table.rows.filter(
      (cells) =>
        (!words || cells.some((cell) => String(cell).toLowerCase().includes(words))) &&
        (!changed.checked || cells[at.gone] || cells[at.value] !== cells[at.after]) &&
        ![...closed].some((path) => cells[at.path].startsWith(path)),
    );
    count.textContent = `${visible.length} of ${table.rows.length} elements`;
    body.replaceChildren(...visible.map((cells) => line(cells, at)));
  }

  function line(cells, at) {
    const [path, keyword] = [cells[at.path], cells[at.keyword]];
    const sequence = cells[at.vr] === "SQ";
    const inside = `${path}${keyword}[`;
    const fold = make("button", {
      text: closed.has(inside) ? "▸" : "▾",
      "aria-label": `Fold ${keyword}`,
      "aria-expanded": String(!closed.has(inside)),
      onclick: (event) => {
        event.stopPropagation();
        closed.has(inside) ? closed.delete(inside) : closed.add(inside);
        draw();
      },
    });
    const tag = make(
      "td",
      { style: `padding-left:${8 + 18 * cells[at.depth]}px` },
      ...(sequence ? [fold, " "] : []),
      make("button", {
        class: "tag",
        text: cells[at.tag],
        "aria-label": `Distribution of ${keyword || cells[at.tag]}`,
        onclick: () => count_values(cells, at),
      }),
    );
    const after = cells[at.gone]
      ? make("td", { class: "gone", text: "removed" })
      : make("td", { class: cells[at.value] === cells[at.after] ? "" : "new", text: cells[at.after] });
    return make(
      "tr",
      {},
      tag,
      make("td", { text: keyword }),
      make("td", { class: "whole", text: cells[at.vr] }),
      make("td", { text: cells[at.value] }),
      after,
      make("td", { class: "quiet", text: cells[at.rule] ? `${cells[at.action]} · ${cells[at.rule]}` : "" }),
    );
  }

  async function count_values(cells, at) {
    const answer = await ask("distribution", { tag: cells[at.tag], keyword: cells[at.keyword] }).catch(() => null);
    if (!answer) return;
    distribution.replaceChildren(
      make("p", {}, make("b", { text: `${cells[at.tag]} ${cells[at.keyword]} in the whole source` })),
      grid(answer.columns, answer.rows),
    );
  }

  root.addEventListener("keydown", (event) => {
    if (event.key === "/" && !typing(event)) {
      search.focus();
      event.preventDefault();
    }
  });
  fillSeries();
}

export default { render };
