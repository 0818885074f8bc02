function render({ model, el }) {
  const content = model.get("content");
  const at = Object.fromEntries(content.columns.map((name, index) => [name, index]));
  const { queue, meanings } = content;
  const { root, status, complain } = panel(el, "Image reviewer");
  const ask = asker(model, complain);
  // `path` is the image on the screen, the only one that a decision is about; `seen`: its picture, or that it has none.
  const state = {
    place: 0,
    path: "",
    seen: "",
    frame: 0,
    frames: 1,
    series: [],
    device: "",
    findings: [],
    boxes: [],
    drawn: new Map(),
    chosen: -1,
    decided: content.decided,
    changed: new Set(content.changed),
    shown: [],
    rate: 10,
    playing: false,
  };

  const view = pairOfPictures({
    load: (side, corners) =>
      ask("view", { path: state.path, side, frame: inFile(), ...corners, ...(side === "after" && { boxes: format(state.boxes) }) }),
    overlay: drawBoxes,
    press,
    focus: () => root.focus(),
  });
  const progress = make("progress", { max: queue.length, "aria-label": "Images decided" });
  const count = make("span", { class: "count" });
  const title = make("b", { class: "file" });
  const facts = make("span", { class: "count" });
  const said = make("ul", { class: "said", "aria-label": "What was decided about it" });
  const list = choice("Image of the queue", []);
  const search = field("Search the queue", { type: "search", placeholder: "search (/)", size: "16", oninput: later(150, sift) });
  const filter = (label, values, words = {}) =>
    choice(`Show only: ${label}`, [["*", `all: ${label}`], ...values.map((value) => [value, words[value] || value || "none"])], {
      class: "sifts",
      onchange: sift,
    });
  const filters = Object.fromEntries(
    [["Modality", "modality"], ["device", "device and size"], ["reason", "reason"]].map(([name, label]) => [
      name,
      filter(label, [...new Set(queue.map((cells) => cells[at[name]]))].sort(), name === "reason" ? meanings : {}),
    ]),
  );
  const open_only = filter("decided or not", ["waits", "decided"]);
  const layout = button("all of this layout", sameLayout);
  const scope = choice("What the decision is about", [["image"], ["series"], ["device"]]);
  const note = field("Note", { placeholder: "note", size: "22" });
  const buttons = [["accept", "Accept (a)"], ["redact", "Redact (r)"], ["reject", "Reject (x)"]].map(([name, text]) =>
    button(text, () => decide(name), { class: "main" }),
  );
  const undo = button("Undo (u)", takeBack);
  const frame = field("Frame or slice", { type: "range", min: 0, max: 0 });
  const found = make("ul", { class: "found", "aria-label": "Text found" });
  const where = make("span", { class: "count" });
  const sign = (text, label, onclick) => button(text, onclick, { "aria-label": label });
  root.append(
    bar(search, ...Object.values(filters), open_only, layout),
    bar(sign("‹", "Previous image (p)", () => go(-1)), list, sign("›", "Next image (n)", () => go(1)), progress, count),
    bar(title, facts),
    said,
    view.figures,
    bar(
      make("label", {}, "Frame", frame),
      where,
      sign("▶", "Play and stop (c)", play),
      ...view.tools,
      button("Delete box (Del)", deleteBox),
    ),
    found,
    bar(...buttons, scope, note, undo),
    make(
      "p",
      { class: "keys quiet" },
      "a accept · r redact · x reject · u undo · n p next, previous · ↑ ↓ frame · c play · + − wheel zoom · 0 whole · 1 one to one · ",
      "Shift with arrows or drag: move · right drag: window · d difference · / search · ",
      "boxes: b new, o next, Alt with arrows moves, Alt and Shift with arrows its lower right corner, Del deletes",
    ),
    status,
  );

  const item = () => queue[state.place];
  const last = () => Math.max(state.frames, state.series.length) - 1;
  const inFile = () => (state.frames > 1 ? state.frame : 0);

  // The queue: what is searched for, filtered, and a hundred on either side of the one that is open.
  function sift() {
    const words = search.value.toLowerCase().split(" ");
    const wanted = Object.entries(filters).filter(([, { value }]) => value !== "*");
    state.shown = queue.flatMap((cells, index) => {
      const text = cells.join(" ").toLowerCase();
      const now = state.decided[index] ? "decided" : "waits";
      return wanted.every(([name, { value }]) => cells[at[name]] === value) &&
        (open_only.value === "*" || open_only.value === now) &&
        words.every((word) => text.includes(word))
        ? [index]
        : [];
    });
    fillList();
  }

  function fillList() {
    const middle = state.shown.findIndex((index) => index >= state.place);
    const near = state.shown.slice(Math.max(0, middle - 100), Math.max(0, middle) + 100);
    list.replaceChildren(
      ...(near.includes(state.place) ? [] : [make("option", { value: state.place, selected: true, text: "not among these" })]),
      ...near.map((index) => {
        const cells = queue[index];
        const name = cells[at.source_path].split("/").pop();
        const word = state.decided[index] ? ` ✓ ${state.decided[index]}` : state.changed.has(index) ? " ↻ changed since" : "";
        const text = `${index + 1} ${cells[at.Modality]} ${cells[at.tier] || cells[at.verdict]} ${name}${word}`;
        return make("option", { value: index, selected: index === state.place, text });
      }),
    );
    const done = Object.keys(state.decided).length;
    progress.value = done;
    count.textContent = [
      `${done} of ${queue.length} decided`,
      state.shown.length < queue.length && `${state.shown.length} shown`,
      state.changed.size && `${state.changed.size} changed since`,
      state.disagreements && `${state.disagreements} opinions differ`,
      content.blind && "blind: what others decided is not shown",
    ]
      .filter(Boolean)
      .join(" · ");
  }

  function hold({ decided, changed, disagreements }) {
    Object.assign(state, { decided, changed: new Set(changed), disagreements });
  }

  function sameLayout() {
    filters.device.value = filters.device.value === state.device ? "*" : state.device;
    sift();
  }

  async function open() {
    if (!queue.length) {
      title.textContent = "No image waits for a review.";
      for (const one of buttons) one.disabled = true;
      return;
    }
    state.playing = false;
    Object.assign(state, { series: [], frames: 1, frame: 0 });
    fillList();
    await turnTo(item()[at.source_path], true);
  }

  // Another image: its own text, boxes and decisions, then its picture.
  async function turnTo(path, fresh = false) {
    if (state.path) state.drawn.set(state.path, state.boxes);
    Object.assign(state, { path, seen: "", chosen: -1, findings: [], boxes: [] });
    if (fresh) view.clear();
    const answer = await ask("found", { path }).catch(() => null);
    if (path !== state.path) return;
    if (answer) Object.assign(state, { findings: answer.findings, series: answer.series, device: answer.device });
    const waits = queue.find((cells) => cells[at.source_path] === path);
    state.boxes = state.drawn.get(path) ?? parse(answer?.boxes || waits?.[at.boxes] || "");
    if (state.frames === 1) state.frame = Math.max(0, state.series.indexOf(path));
    title.textContent = path;
    facts.textContent = [
      waits ? meanings[waits[at.reason]] || waits[at.verdict] : "a slice of the series that nobody queued",
      waits?.[at.beside] > 0 && `${(100 * waits[at.beside]).toFixed(1)} % of the picture would go beside its text`,
      waits?.[at.risk_reason],
      answer?.outdated && "the file changed since it was decided: look again",
    ]
      .filter(Boolean)
      .join(" · ");
    said.replaceChildren(...(answer?.said ?? []).map((cells) => make("li", { text: sentence(cells) })));
    const about = [
      `this image: ${path.split("/").pop()}`,
      `its series: ${state.series.length} files`,
      `every image of this device and size: ${state.device || "unknown"}`,
    ];
    about.forEach((text, index) => (scope.options[index].textContent = text));
    found.replaceChildren(
      ...state.findings.map(({ text, tier, reason, box }) =>
        make(
          "li",
          {},
          make("button", {
            class: `tier-${tier}`,
            text: `${tier}: ${text}`,
            title: reason,
            "aria-label": `Box around ${text}`,
            onclick: () => changed(state.boxes.push(parse(box)[0]) - 1),
          }),
        ),
      ),
    );
    await look(fresh);
  }

  function sentence([reviewer, decision, about, time, text]) {
    const scopes = { series: "its series", device: "its device and size" };
    const reach = about === state.path ? "this image" : scopes[about.split(":")[0]];
    return `${reviewer}: ${decision}, ${reach}, ${time.slice(0, 16).replace("T", " ")}${text ? `: ${text}` : ""}`;
  }

  async function look(fresh = false) {
    const path = state.path;
    const part = await view.show(fresh);
    if (part === undefined || path !== state.path) return;
    state.seen = part ? path : `${path} has no picture`;
    if (part && fresh) state.rate = part.rate;
    if (part && part.frames > 1 && state.frames === 1) Object.assign(state, { frames: part.frames, frame: 0 });
    [frame.max, frame.value, frame.disabled] = [last(), state.frame, last() < 1];
    where.textContent = `${state.frame + 1} of ${last() + 1}`;
  }

  function drawBoxes(context, part) {
    const stroke = (box, colour, dashed) => strokeBox(context, part, box, colour, dashed);
    state.findings.forEach(({ box, tier }) => parse(box).forEach((one) => stroke(one, COLOURS[tier], true)));
    state.boxes.forEach((box, index) => stroke(box, index === state.chosen ? COLOURS.chosen : COLOURS.own, false));
  }

  // A press moves the box under it, or draws a new one.
  function press(from) {
    const hit = state.boxes.findIndex((box) => inside(from, box));
    const old = hit >= 0 ? [...state.boxes[hit]] : null;
    state.chosen = old ? hit : state.boxes.push([...from, ...from]) - 1;
    const index = state.chosen;
    view.draw();
    return {
      move([x, y]) {
        const [dx, dy] = [x - from[0], y - from[1]];
        state.boxes[index] = old
          ? old.map((value, side) => value + (side % 2 ? dy : dx))
          : [Math.min(x, from[0]), Math.min(y, from[1]), Math.max(x, from[0]), Math.max(y, from[1])];
        view.draw();
      },
      up({ rows, columns }) {
        const [x0, y0, x1, y1] = state.boxes[index].map(Math.round);
        state.boxes[index] = [Math.max(0, x0), Math.max(0, y0), Math.min(columns, x1), Math.min(rows, y1)];
        if (!old && (x1 - x0 < 3 || y1 - y0 < 3)) state.boxes.splice(index, 1);
        changed(state.boxes[index] ? index : -1);
      },
    };
  }

  function changed(chosen) {
    state.chosen = chosen;
    view.draw();
    view.compare();
  }
  function deleteBox() {
    if (state.chosen < 0) return;
    state.boxes.splice(state.chosen, 1);
    changed(-1);
  }

  // Boxes by keys: a new one amid what is shown; the next one; the chosen one moved, or its lower right corner.
  function boxAmid() {
    const { x0, y0, x1, y1 } = view.shown() || {};
    if (x1 === undefined) return;
    const [w, h] = [(x1 - x0) / 8, (y1 - y0) / 16];
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    changed(state.boxes.push([x - w, y - h, x + w, y + h].map(Math.round)) - 1);
  }
  function nextBox() {
    if (state.boxes.length) changed((state.chosen + 1) % state.boxes.length);
  }
  function nudge(dx, dy, corner) {
    const [box, { x0, x1, rows, columns }] = [state.boxes[state.chosen], view.shown() || {}];
    if (!box || !columns) return;
    const step = Math.max(1, Math.round((x1 - x0) / 50));
    const moved = box.map((value, side) => {
      const by = corner && side < 2 ? 0 : step * (side % 2 ? dy : dx);
      return clamp(value + by, 0, side % 2 ? rows : columns);
    });
    if (moved[2] - moved[0] < 3 || moved[3] - moved[1] < 3) return;
    state.boxes[state.chosen] = moved;
    changed(state.chosen);
  }

  function go(by) {
    const next = by > 0 ? state.shown.find((index) => index > state.place) : state.shown.findLast((index) => index < state.place);
    if (next === undefined) return undefined;
    state.place = next;
    return open();
  }

  function scroll(by, round = false) {
    const length = last() + 1;
    state.frame = round ? (state.frame + by) % length : clamp(state.frame + by, 0, length - 1);
    return state.frames > 1 ? look() : turnTo(state.series[state.frame] ?? state.path);
  }

  async function play() {
    state.playing = !state.playing && last() > 0;
    while (state.playing && root.isConnected) {
      const pause = new Promise((resolve) => setTimeout(resolve, 1000 / state.rate));
      await Promise.all([scroll(1, true), pause]);
    }
  }

  async function decide(decision) {
    const { path } = state;
    if (state.seen !== path && (decision !== "reject" || !state.seen)) {
      complain(state.seen ? "nobody saw this image: it can only be rejected" : "wait for the picture: nothing was decided");
      return;
    }
    state.playing = false;
    const boxes = decision === "redact" ? format(state.boxes) : "";
    const about = scope.selectedOptions[0].textContent;
    status.textContent = `${decision}, ${about}: not yet written …`;
    const answer = await ask("decide", { path, decision, boxes, scope: scope.value, note: note.value }).catch(() => null);
    if (!answer) {
      status.textContent = "";
      return;
    }
    hold(answer);
    status.textContent = `${decision}: written to image_decisions.csv as ${content.reviewer}, about ${about}.`;
    [scope.value, note.value] = ["image", ""];
    const waits = state.shown.filter((index) => !state.decided[index]);
    const next = waits.find((index) => index > state.place) ?? waits[0];
    if (path !== item()[at.source_path] && !state.decided[state.place]) await turnTo(path);
    else {
      state.place = next ?? state.place;
      await open();
    }
  }

  async function takeBack() {
    const answer = await ask("undo").catch(() => null);
    if (!answer) return;
    hold(answer);
    if (answer.place >= 0) state.place = answer.place;
    await open();
    if (state.series.includes(answer.undone)) await turnTo(answer.undone);
    status.textContent = answer.undone ? `Taken back: ${answer.undone}` : "Nothing to take back.";
  }

  list.addEventListener("change", () => {
    state.place = Number(list.value);
    open();
  });
  frame.addEventListener(
    "input",
    later(40, () => scroll(Number(frame.value) - state.frame)),
  );
  const keys = {
    ...view.keys,
    a: () => decide("accept"),
    r: () => decide("redact"),
    x: () => decide("reject"),
    u: takeBack,
    n: () => go(1),
    p: () => go(-1),
    c: play,
    ArrowRight: () => go(1),
    ArrowLeft: () => go(-1),
    ArrowDown: () => scroll(1),
    ArrowUp: () => scroll(-1),
    b: boxAmid,
    o: nextBox,
    Delete: deleteBox,
    Backspace: deleteBox,
    "/": () => search.focus(),
  };
  const arrows = { Left: [-1, 0], Right: [1, 0], Up: [0, -1], Down: [0, 1] };
  for (const [name, by] of Object.entries(arrows)) {
    keys[`Alt+Arrow${name}`] = () => nudge(...by, false);
    keys[`Alt+Shift+Arrow${name}`] = () => nudge(...by, true);
  }
  root.addEventListener("keydown", (event) => {
    const shift = event.shiftKey && event.key.startsWith("Arrow");
    const key = `${event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${event.key}`;
    if (typing(event) || event.target.type === "range" || event.ctrlKey || event.metaKey || !keys[key]) return;
    event.preventDefault();
    keys[key]();
  });

  async function begin() {
    const answer = await ask("progress").catch(() => null);
    if (answer) hold(answer);
    sift();
    state.place = Math.max(
      0,
      queue.findIndex((_, index) => !state.decided[index]),
    );
    await open();
  }
  begin();
}

export default { render };
