const MOST_VALUES = 500; // rows in the page at once; the filter finds the others

function render({ model, el }) {
  const content = model.get("content");
  const at = Object.fromEntries(content.columns.map((name, index) => [name, index]));
  const { root, status, complain } = panel(el, "Local fields");
  const ask = asker(model, complain);
  const chosen = new Set();
  let rows = content.rows;

  const spoken = (name) => name.replace("_", " ");
  const fields = Object.keys(content.values).map((name) => [name, spoken(name)]);
  const field_ = choice("Field", fields, { onchange: () => (chosen.clear(), offer(), draw()) });
  const filter = field("Filter values", { type: "search", placeholder: "value or modality …", oninput: later(150, draw) });
  const kinds = [["open", "waiting"], ["decided"], ["", "all"]];
  const only = choice("Show some values", kinds, { onchange: draw });
  const count = make("span", { class: "count" });
  const value = make("select", { "aria-label": "What they become" });
  const note = field("Note of the decision", { size: "30", placeholder: "why? (optional)" });
  const write = button("Decide", decide, { class: "main" });
  const undo = button("Undo", () => run("undo", {}, "Taken back."), { disabled: true });
  const body = make("tbody");
  root.append(
    bar(field_, filter, only, button("Choose none", () => (chosen.clear(), draw())), count),
    scrollingTable(["", "value in the header", "attribute", "modality", "becomes", "confidence", "series", "decided by"], body),
    bar("They become", value, note, write, undo, make("span", { class: "quiet", text: "A decision holds for every later release." })),
    status,
  );

  const waits = (cells) => !cells[at.reviewer] && ["contradicted", "unsaid"].includes(cells[at.confidence]);
  const key = (cells) => JSON.stringify([cells[at.attribute], cells[at.local]]);

  const open = (name) => rows.filter((cells) => cells[at.field] === name && waits(cells)).length;

  function offer() {
    const named = content.values[field_.value].map((text) => make("option", { value: text, text }));
    value.replaceChildren(make("option", { value: "", text: "(leave unsaid)" }), ...named);
  }

  function shown() {
    const words = filter.value.toLowerCase();
    return rows.filter(
      (cells) =>
        cells[at.field] === field_.value &&
        (!only.value || (only.value === "open" ? waits(cells) : Boolean(cells[at.reviewer]))) &&
        (!words || `${cells[at.local]} ${cells[at.modality]}`.toLowerCase().includes(words)),
    );
  }

  function draw() {
    const list = shown();
    body.replaceChildren(
      ...list.slice(0, MOST_VALUES).map((cells) => {
        const box = make("input", {
          type: "checkbox",
          "aria-label": `Choose ${cells[at.local]}`,
          onclick: (event) => (event.target.checked ? chosen.add(key(cells)) : chosen.delete(key(cells)), draw()),
        });
        box.checked = chosen.has(key(cells));
        const said = cells[at.confidence] === "contradicted" ? `contradicted: ${cells[at.original]}` : cells[at.confidence];
        return make(
          "tr",
          { class: chosen.has(key(cells)) ? "chosen" : "" },
          make("td", {}, box),
          make("td", {}, make("b", { text: cells[at.local] })),
          make("td", { text: cells[at.attribute] }),
          make("td", { text: cells[at.modality] }),
          make("td", { text: cells[at.value] }),
          make("td", { text: said }),
          make("td", { class: "number", text: counted(cells[at.series]) }),
          make("td", { text: cells[at.reviewer] }),
        );
      }),
    );
    if (!list.length) body.append(make("tr", {}, make("td", { colspan: "8", class: "quiet", text: "No such value here." })));
    for (const option of field_.options) option.textContent = `${spoken(option.value)} (${counted(open(option.value))} waiting)`;
    const more = list.length > MOST_VALUES ? `, the first ${MOST_VALUES} shown` : "";
    count.textContent = `${counted(list.length)} values${more} · ${counted(chosen.size)} chosen`;
    write.disabled = chosen.size === 0;
  }

  async function decide() {
    const places = [...chosen].map((text) => JSON.parse(text));
    const values = places.map(([attribute, local]) => ({ field: field_.value, attribute, local }));
    const becomes = value.value ? `become ${value.value}` : "stay unsaid";
    await run("decide", { chosen: values, value: value.value, note: note.value }, `${counted(values.length)} values ${becomes}.`);
  }

  async function run(name, values, said) {
    const answer = await ask(name, values).catch(() => null);
    if (!answer) return;
    rows = answer.rows;
    chosen.clear();
    undo.disabled = answer.undo === 0;
    status.textContent = said;
    draw();
  }

  field_.value = Object.keys(content.values).find(open) ?? field_.value;
  offer();
  draw();
}

export default { render };
