const MOST = 500; // words in the page at once; the filter finds the others

function render({ model, el }) {
  const content = model.get("content");
  const at = Object.fromEntries(content.columns.map((name, index) => [name, index]));
  const { root, status, complain } = panel(el, "Known words");
  const ask = asker(model, complain);
  const chosen = new Set();
  let rows = content.rows;
  let last = null; // the row a click with Shift counts from

  const headline = make("p", { class: "headline", text: content.headline });
  const filter = make("input", { type: "search", placeholder: "word or text …", "aria-label": "Filter words" });
  const only = make(
    "select",
    { "aria-label": "Show some words" },
    ...[
      ["open", "waiting"],
      ["decided", "decided"],
      ["names", "names of people"],
      ["", "all"],
    ].map(([value, text]) => make("option", { value, text })),
  );
  const count = make("span", { class: "count" });
  const note = make("input", { size: "30", placeholder: "why? (optional)", "aria-label": "Note of the decision" });
  const approve = make("button", { class: "main", text: "Approve", onclick: () => decide("approve") });
  const refuse = make("button", { text: "Refuse", onclick: () => decide("refuse") });
  const undo = make("button", { text: "Undo", disabled: true, onclick: () => run("undo", {}, "Taken back.") });
  const body = make("tbody");
  root.append(
    headline,
    make(
      "div",
      { class: "bar" },
      filter,
      only,
      make("button", { text: "Choose the first 10", onclick: () => first(10) }),
      make("button", { text: "Choose none", onclick: () => (chosen.clear(), draw()) }),
      count,
    ),
    scrollingTable(["", "word", "series", "patients", "stands in", "decision"], body),
    make(
      "div",
      { class: "bar" },
      note,
      approve,
      refuse,
      undo,
      make("span", { class: "quiet", text: `Decisions are written as ${content.reviewer}, once for every release.` }),
    ),
    status,
  );

  const kind = (cells) => (cells[at.decision] ? "decided" : cells[at.is_name] ? "names" : "open");

  function shown() {
    const words = filter.value.toLowerCase();
    return rows.filter(
      (cells) =>
        (!only.value || kind(cells) === only.value) &&
        (!words || `${cells[at.word]} ${cells[at.examples]}`.toLowerCase().includes(words)),
    );
  }

  function first(most) {
    shown()
      .filter((cells) => !cells[at.is_name])
      .slice(0, most)
      .forEach((cells) => chosen.add(cells[at.word]));
    draw();
  }

  function choose(list, index, on, range) {
    const from = range && last !== null ? Math.min(last, index) : index;
    const to = range && last !== null ? Math.max(last, index) : index;
    list
      .slice(from, to + 1)
      .filter((cells) => !cells[at.is_name])
      .forEach((cells) => (on ? chosen.add(cells[at.word]) : chosen.delete(cells[at.word])));
    last = index;
    draw();
  }

  function draw() {
    const list = shown();
    body.replaceChildren(
      ...list.slice(0, MOST).map((cells, index) => {
        const word = cells[at.word];
        const box = make("input", {
          type: "checkbox",
          "aria-label": `Choose ${word}`,
          disabled: cells[at.is_name],
          onclick: (event) => choose(list, index, event.target.checked, event.shiftKey),
        });
        box.checked = chosen.has(word);
        return make(
          "tr",
          { class: chosen.has(word) ? "chosen" : "" },
          make("td", {}, box),
          make("td", {}, make("b", { text: word })),
          make("td", { class: "number", text: cells[at.series].toLocaleString("en") }),
          make("td", { class: "number", text: cells[at.patients].toLocaleString("en") }),
          make("td", { text: cells[at.examples] }),
          make("td", { text: cells[at.is_name] ? "name of a person" : { approve: "approved", refuse: "refused" }[cells[at.decision]] || "" }),
        );
      }),
    );
    const more = list.length > MOST ? `, the first ${MOST} shown` : "";
    count.textContent = `${list.length.toLocaleString("en")} words${more} · ${chosen.size.toLocaleString("en")} chosen`;
    approve.disabled = refuse.disabled = chosen.size === 0;
  }

  async function decide(decision) {
    const words = [...chosen];
    const said = `${words.length.toLocaleString("en")} words ${decision === "approve" ? "approved" : "refused"}.`;
    await run("decide", { words, decision, note: note.value }, said);
  }

  async function run(name, values, said) {
    const answer = await ask(name, values).catch(() => null);
    if (!answer) return;
    rows = answer.rows;
    chosen.clear();
    last = null;
    headline.textContent = answer.headline;
    undo.disabled = answer.undo === 0;
    status.textContent = said;
    draw();
  }

  filter.addEventListener("input", later(150, draw));
  only.addEventListener("change", draw);
  draw();
}

export default { render };
