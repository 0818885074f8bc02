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
  const filter = field("Filter words", { type: "search", placeholder: "word or text …", oninput: later(150, draw) });
  const kinds = [["open", "waiting"], ["decided"], ["names", "names of people"], ["", "all"]];
  const only = choice("Show some words", kinds, { onchange: draw });
  const count = make("span", { class: "count" });
  const note = field("Note of the decision", { size: "30", placeholder: "why? (optional)" });
  const approve = button("Approve", () => decide("approve"), { class: "main" });
  const refuse = button("Refuse", () => decide("refuse"));
  const undo = button("Undo", () => run("undo", {}, "Taken back."), { disabled: true });
  const body = make("tbody");
  root.append(
    headline,
    bar(
      filter,
      only,
      button("Choose the first 10", () => first(10)),
      button("Choose none", () => (chosen.clear(), draw())),
      count,
    ),
    scrollingTable(["", "word", "series", "patients", "stands in", "decision"], body),
    bar(note, approve, refuse, undo, make("span", { class: "quiet", text: "A decision holds for every later release." })),
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
          make("td", { class: "number", text: counted(cells[at.series]) }),
          make("td", { class: "number", text: counted(cells[at.patients]) }),
          make("td", { text: cells[at.examples] }),
          make("td", { text: cells[at.is_name] ? "name of a person" : { approve: "approved", refuse: "refused" }[cells[at.decision]] || "" }),
        );
      }),
    );
    const more = list.length > MOST ? `, the first ${MOST} shown` : "";
    count.textContent = `${counted(list.length)} words${more} · ${counted(chosen.size)} chosen`;
    approve.disabled = refuse.disabled = chosen.size === 0;
  }

  async function decide(decision) {
    const words = [...chosen];
    const said = `${counted(words.length)} words ${decision === "approve" ? "approved" : "refused"}.`;
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

  draw();
}

export default { render };
