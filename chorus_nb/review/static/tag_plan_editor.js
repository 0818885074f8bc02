const PAGE = 100; // rows in the page at once: 3,000 rows stay quick
const worded = (code, name) => (code === name ? name : `${code} ${name}`);

function render({ model, el }) {
  const content = model.get("content");
  const at = Object.fromEntries(content.columns.map((name, index) => [name, index]));
  const rows = content.rows.map((cells, index) => ({ index, cells }));
  const { root, status, complain } = panel(el, "Tag plan editor");
  const ask = asker(model, complain);
  const state = { filter: "", action: "", only: "", meta: false, sort: "files", down: true, ...content.filters, page: 0 };
  const chosen = new Set(); // indices of rows
  let shown = rows;

  const words = (codes) => Object.entries(codes).map(([code, name]) => [code, worded(code, name)]);
  const filter = field("Filter rows", { type: "search", placeholder: "tag, keyword, reason …", oninput: later(120, () => sift({ filter: filter.value })) });
  const action = choice("Show one action", [["", "every action"], ...words(content.names)], { onchange: () => sift({ action: action.value }) });
  const rules = [["", "every rule"], ["decided", "decided by a person"], ["unknown", "nothing known"]];
  const only = choice("Show some rows", rules, { onchange: () => sift({ only: only.value }) });
  const meta = field("Show the file meta information, group 0002", { type: "checkbox", onchange: () => sift({ meta: meta.checked }) });
  const every = field("Choose all rows that are shown", { type: "checkbox", onchange: chooseEvery });
  const bulk = choice("Action for the chosen rows", [["", "chosen rows: …"], ...words(content.actions)], {
    disabled: true,
    onchange: () => propose([...chosen], bulk.value),
  });
  const codes = make(
    "details",
    { "aria-label": "What the codes mean" },
    make("summary", { text: "What the codes mean" }),
    make(
      "table",
      {},
      ...words(content.names).map(([code, text]) =>
        make("tr", {}, make("td", {}, make("b", { text })), make("td", { class: "whole", text: content.explained[code] || "" })),
      ),
    ),
  );
  const count = make("span", { class: "count" });
  const undo = button("Undo", () => run("undo", {}), { disabled: true });
  const body = make("tbody");
  const columns = ["tag", "keyword", "path", "modality", "action", "files", "example_before", "example_after", "reason", "rule_source"];
  const names = { rule_source: "rule", example_before: "before", example_after: "after" };
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, every),
    ...columns.map((name) => {
      const text = names[name] || name;
      return make("th", { scope: "col" }, button(text, () => sort(name), { "aria-label": `Sort by ${text}` }));
    }),
  );
  const previous = button("‹ previous", () => turn(-1));
  const next = button("next ›", () => turn(1));
  const place = make("span", { class: "count" });
  const change = make("div", { class: "change", hidden: true });
  root.append(
    bar(filter, action, only, make("label", {}, meta, " group 0002"), bulk, count, undo),
    codes,
    make("div", { class: "window compact" }, make("table", {}, make("thead", {}, head), body)),
    bar(previous, place, next),
    change,
    status,
  );

  const source = (cells) =>
    cells[at.decided_by] !== "policy"
      ? "person"
      : /SOP/.test(cells[at.rule_source])
        ? "sop"
        : /PS3|Safe Harbor/.test(cells[at.rule_source])
          ? "ps315"
          : "unknown";

  function choose() {
    const words = state.filter.toLowerCase();
    shown = rows.filter(
      ({ cells }) =>
        (state.meta || !String(cells[at.tag]).startsWith("(0002")) &&
        (!state.action || cells[at.action] === state.action) &&
        (!state.only || (state.only === "decided" ? cells[at.decided_by] !== "policy" : source(cells) === "unknown")) &&
        (!words || cells.some((cell) => String(cell).toLowerCase().includes(words))),
    );
    const column = at[state.sort];
    shown.sort((a, b) => {
      const [x, y] = [a.cells[column], b.cells[column]];
      return (
        (typeof x === "number" ? x - y : String(x).localeCompare(String(y))) * (state.down ? -1 : 1) ||
        a.index - b.index
      );
    });
    state.page = 0;
    [filter.value, action.value, only.value, meta.checked] = [state.filter, state.action, state.only, state.meta];
    draw();
  }

  // A filter holds until it is taken back, also when the cell is run again.
  function sift(values) {
    Object.assign(state, values);
    const { filter, action, only, meta, sort, down } = state;
    ask("keep", { filters: { filter, action, only, meta, sort, down } }).catch(() => null);
    choose();
  }

  function tally() {
    every.checked = shown.length > 0 && shown.every(({ index }) => chosen.has(index));
    [bulk.disabled, bulk.value] = [!chosen.size, ""];
    bulk.options[0].textContent = `${counted(chosen.size)} chosen: …`;
  }

  function chooseEvery() {
    for (const { index } of shown) every.checked ? chosen.add(index) : chosen.delete(index);
    draw();
  }

  function sort(name) {
    sift({ down: state.sort === name ? !state.down : name === "files", sort: name });
  }

  function turn(by) {
    state.page = Math.min(Math.max(state.page + by, 0), Math.max(0, Math.ceil(shown.length / PAGE) - 1));
    draw();
  }

  function draw() {
    const first = state.page * PAGE;
    body.replaceChildren(...shown.slice(first, first + PAGE).map(line));
    tally();
    const files = shown.reduce((sum, { cells }) => sum + cells[at.files], 0);
    count.textContent = `${counted(shown.length)} of ${counted(rows.length)} tags · ${counted(files)} times in files`;
    place.textContent = shown.length ? `${first + 1}–${Math.min(first + PAGE, shown.length)}` : "none";
    previous.disabled = first === 0;
    next.disabled = first + PAGE >= shown.length;
  }

  function line(row) {
    const { cells } = row;
    const now = cells[at.action];
    const options = now in content.actions ? [] : [[now, content.names[now] || now]];
    const label = `Action for ${cells[at.keyword] || cells[at.tag]}`;
    const select = choice(label, [...options, ...words(content.actions)], { onchange: () => propose([row.index], select.value) });
    select.value = now;
    const cell = (name) => {
      if (name === "action") return make("td", {}, select);
      if (name === "tag")
        return make(
          "td",
          {},
          make("code", { text: cells[at.tag] + (cells[at.private_creator] ? ` ${cells[at.private_creator]}` : "") }),
        );
      if (name === "rule_source")
        return make("td", { class: "whole" }, make("span", { class: `source ${source(cells)}`, text: cells[at.rule_source] }));
      const kinds = { path: "", modality: "whole", reason: "whole", files: "number" };
      if (name === "example_after" && cells[at.gone]) return make("td", { class: "gone", text: "removed" });
      return make("td", { class: kinds[name] ?? "value", text: cells[at[name]], title: cells[at[name]] });
    };
    const pick = field(`Choose ${cells[at.keyword] || cells[at.tag]}`, {
      type: "checkbox",
      onchange: () => {
        pick.checked ? chosen.add(row.index) : chosen.delete(row.index);
        pick.closest("tr").classList.toggle("chosen", pick.checked);
        tally();
      },
    });
    pick.checked = chosen.has(row.index);
    const picked = { "data-index": row.index, class: pick.checked ? "chosen" : "" };
    return make("tr", picked, make("td", {}, pick), ...columns.map(cell));
  }

  async function propose(indices, action) {
    if (!action) return;
    const place = ({ cells }) => JSON.stringify(["path", "tag", "private_creator"].map((name) => cells[at[name]]));
    const places = new Set(indices.map((index) => place(rows[index])));
    const same = rows.filter((row) => places.has(place(row)));
    const row = rows[indices[0]];
    const risky = content.risky.includes(action);
    const keyword = places.size > 1 ? `${places.size} tags` : row.cells[at.keyword] || row.cells[at.tag];
    const files = same.reduce((sum, { cells }) => sum + cells[at.files], 0);
    const reason = field("Reason of the decision", { size: "40", placeholder: "why? (required)", oninput: () => (save.disabled = !reason.value.trim()) });
    const example = make("span", { class: "example", text: "…" });
    const save = button("Decide", () => run("decide_all", { rows: indices, action, reason: reason.value }), { class: "main", disabled: true });
    reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !save.disabled) save.click();
    });
    change.replaceChildren(
      make("b", { text: `${keyword}: ${content.actions[action]}` }),
      make("span", {
        text: `${counted(files)} files.${risky ? " Something of the value will be in the release." : ""}`,
      }),
      example,
      reason,
      save,
      button("Cancel", () => ((change.hidden = true), choose())),
    );
    change.hidden = false;
    reason.focus();
    const answer = await ask("attempt", { row: row.index, action }).catch(() => null);
    if (!answer) {
      example.textContent = "";
      return;
    }
    example.replaceChildren(
      make("code", { text: answer.before || "(empty)" }),
      " → ",
      make("code", { class: answer.gone ? "gone" : "new", text: answer.gone ? "removed" : answer.after || "(empty)" }),
    );
  }

  async function run(name, values) {
    const answer = await ask(name, values).catch(() => null);
    if (!answer) return;
    for (const [index, cells] of Object.entries(answer.rows)) rows[index].cells = cells;
    undo.disabled = !answer.undo;
    change.hidden = true;
    chosen.clear();
    status.textContent = name === "undo" ? "Taken back." : "Written to tag_decisions.csv; the plan is made again.";
    const page = state.page;
    choose();
    turn(page);
  }

  root.addEventListener("keydown", (event) => {
    if (typing(event)) return;
    if (event.key === "/") {
      filter.focus();
      event.preventDefault();
    }
    if (event.key === "u" && !undo.disabled) undo.click();
  });
  choose();
}

export default { render };
