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

  const filter = make("input", { type: "search", placeholder: "tag, keyword, reason …", "aria-label": "Filter rows" });
  const action = make(
    "select",
    { "aria-label": "Show one action" },
    make("option", { value: "", text: "every action" }),
    ...Object.entries(content.names).map(([code, name]) => make("option", { value: code, text: worded(code, name) })),
  );
  const only = make(
    "select",
    { "aria-label": "Show some rows" },
    ...[
      ["", "every rule"],
      ["decided", "decided by a person"],
      ["unknown", "nothing known"],
    ].map(([value, text]) => make("option", { value, text })),
  );
  const meta = make("input", { type: "checkbox", "aria-label": "Show the file meta information, group 0002" });
  const every = make("input", { type: "checkbox", "aria-label": "Choose all rows that are shown", onchange: chooseEvery });
  const bulk = make(
    "select",
    { "aria-label": "Action for the chosen rows", disabled: true, onchange: () => propose([...chosen], bulk.value) },
    make("option", { value: "", text: "chosen rows: …" }),
    ...Object.entries(content.actions).map(([code, name]) => make("option", { value: code, text: worded(code, name) })),
  );
  const codes = make(
    "details",
    {},
    make("summary", { text: "What the codes mean" }),
    make(
      "table",
      {},
      ...Object.entries(content.names).map(([code, name]) =>
        make("tr", {}, make("td", {}, make("b", { text: worded(code, name) })), make("td", { class: "whole", text: content.explained[code] || "" })),
      ),
    ),
  );
  const count = make("span", { class: "count" });
  const undo = make("button", { text: "Undo", disabled: true, onclick: () => run("undo", {}) });
  const body = make("tbody");
  const columns = [
    "tag",
    "keyword",
    "path",
    "modality",
    "action",
    "files",
    "example_before",
    "example_after",
    "reason",
    "rule_source",
  ];
  const names = { rule_source: "rule", example_before: "before", example_after: "after" };
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, every),
    ...columns.map((name) =>
      make(
        "th",
        { scope: "col" },
        make("button", {
          text: names[name] || name,
          "aria-label": `Sort by ${names[name] || name}`,
          onclick: () => sort(name),
        }),
      ),
    ),
  );
  const previous = make("button", { text: "‹ previous", onclick: () => turn(-1) });
  const next = make("button", { text: "next ›", onclick: () => turn(1) });
  const place = make("span", { class: "count" });
  const change = make("div", { class: "change", hidden: true });
  root.append(
    make("div", { class: "bar" }, filter, action, only, make("label", {}, meta, " group 0002"), bulk, count, undo),
    codes,
    make("div", { class: "window compact" }, make("table", {}, make("thead", {}, head), body)),
    make(
      "div",
      { class: "bar" },
      previous,
      place,
      next,
      make("span", { class: "quiet", text: `Decisions are written as ${content.reviewer}.` }),
    ),
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
    bulk.options[0].textContent = `${chosen.size.toLocaleString("en")} chosen: …`;
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
    count.textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} tags · ${files.toLocaleString("en")} times in files`;
    place.textContent = shown.length ? `${first + 1}–${Math.min(first + PAGE, shown.length)}` : "none";
    previous.disabled = first === 0;
    next.disabled = first + PAGE >= shown.length;
  }

  function line(row) {
    const { cells } = row;
    const options = Object.entries(content.actions).map(([code, name]) =>
      make("option", { value: code, text: worded(code, name), selected: code === cells[at.action] }),
    );
    if (!(cells[at.action] in content.actions))
      options.unshift(
        make("option", {
          value: cells[at.action],
          text: content.names[cells[at.action]] || cells[at.action],
          selected: true,
        }),
      );
    const select = make(
      "select",
      { "aria-label": `Action for ${cells[at.keyword] || cells[at.tag]}`, onchange: () => propose([row.index], select.value) },
      ...options,
    );
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
    const pick = make("input", {
      type: "checkbox",
      "aria-label": `Choose ${cells[at.keyword] || cells[at.tag]}`,
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
    const reason = make("input", {
      size: "40",
      placeholder: "why? (required)",
      "aria-label": "Reason of the decision",
    });
    const example = make("span", { class: "example", text: "…" });
    const save = make("button", {
      class: "main",
      text: "Decide",
      disabled: true,
      onclick: () => run("decide_all", { rows: indices, action, reason: reason.value }),
    });
    reason.addEventListener("input", () => {
      save.disabled = !reason.value.trim();
    });
    reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !save.disabled) save.click();
    });
    change.replaceChildren(
      make("b", { text: `${keyword}: ${content.actions[action]}` }),
      make("span", {
        text: `${files.toLocaleString("en")} files.${risky ? " Something of the value will be in the release." : ""}`,
      }),
      example,
      reason,
      save,
      make("button", {
        text: "Cancel",
        onclick: () => {
          change.hidden = true;
          choose();
        },
      }),
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

  filter.addEventListener(
    "input",
    later(120, () => sift({ filter: filter.value })),
  );
  action.addEventListener("change", () => sift({ action: action.value }));
  only.addEventListener("change", () => sift({ only: only.value }));
  meta.addEventListener("change", () => sift({ meta: meta.checked }));
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
