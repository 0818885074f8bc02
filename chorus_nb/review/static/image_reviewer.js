function render({ model, el }) {
  const content = model.get("content");
  const at = Object.fromEntries(content.columns.map((name, index) => [name, index]));
  const queue = content.queue;
  const { root, status, complain } = panel(el, "Image reviewer");
  const ask = asker(model, complain);
  const state = {
    place: 0,
    frame: 0,
    frames: 1,
    series: [],
    findings: [],
    boxes: [],
    chosen: -1,
    low: 0,
    high: 255,
    corners: null,
    parts: {},
    decided: content.decided,
    asked: 0,
  };

  const progress = make("progress", { max: queue.length, "aria-label": "Images decided" });
  const count = make("span", { class: "count" });
  const title = make("b");
  const list = make("select", { "aria-label": "Image of the queue" });
  const scope = make(
    "select",
    { "aria-label": "What the decision is about" },
    ...[
      ["image", "this image"],
      ["series", "its whole series"],
      ["device", "every image of this device and size"],
    ].map(([value, text]) => make("option", { value, text })),
  );
  const note = make("input", { placeholder: "note", "aria-label": "Note", size: "22" });
  const buttons = [
    ["accept", "Accept (a)"],
    ["redact", "Redact (r)"],
    ["reject", "Reject (x)"],
  ].map(([name, text]) => make("button", { class: "main", text, onclick: () => decide(name) }));
  const undo = make("button", { text: "Undo (u)", onclick: takeBack });
  const slider = (label, low, high) => make("input", { type: "range", min: low, max: high, "aria-label": label });
  const [frame, level, width] = [slider("Frame", 0, 0), slider("Level", -1024, 3071), slider("Width", 1, 4096)];
  const canvases = {
    before: make("canvas", { class: "draw", "aria-label": "Original with boxes" }),
    after: make("canvas", { "aria-label": "What would be released" }),
  };
  const found = make("ul", { class: "found", "aria-label": "Text found" });
  const remove = make("button", { text: "Delete box (Del)", onclick: () => deleteBox() });
  const where = make("span", { class: "count" });
  root.append(
    make(
      "div",
      { class: "bar" },
      make("button", { text: "‹", "aria-label": "Previous image (p)", onclick: () => go(-1) }),
      list,
      make("button", { text: "›", "aria-label": "Next image (n)", onclick: () => go(1) }),
      progress,
      count,
    ),
    make("div", { class: "bar" }, title),
    make(
      "div",
      { class: "stage" },
      make("figure", {}, make("figcaption", { text: "Original: drag to draw a box" }), canvases.before),
      make("figure", {}, make("figcaption", { text: "What would be released with these boxes" }), canvases.after),
    ),
    make(
      "div",
      { class: "bar" },
      make("label", {}, "Frame", frame),
      where,
      make("label", {}, "Level", level),
      make("label", {}, "Width", width),
      make("button", { text: "+", "aria-label": "Zoom in", onclick: () => zoom(0.5) }),
      make("button", { text: "−", "aria-label": "Zoom out", onclick: () => zoom(2) }),
      remove,
    ),
    found,
    make("div", { class: "bar" }, ...buttons, scope, note, undo),
    make(
      "div",
      { class: "keys quiet" },
      ...[
        ["a", "accept"],
        ["r", "redact"],
        ["x", "reject"],
        ["u", "undo"],
        ["n p", "next, previous"],
        ["↑ ↓", "frame"],
        ["+ −", "zoom"],
        ["Del", "delete box"],
      ].flatMap(([key, text]) => [make("kbd", { text: key }), ` ${text}  `]),
    ),
    status,
  );

  const item = () => queue[state.place];
  const path = () =>
    state.series.length > 1 && state.frames === 1 ? state.series[state.frame] : item()[at.source_path];

  function fillList() {
    list.replaceChildren(
      ...queue.map((cells, index) =>
        make("option", {
          value: index,
          selected: index === state.place,
          text: `${index + 1} ${cells[at.Modality]} ${cells[at.tier] || cells[at.verdict]} ${state.decided[index] ? `✓ ${state.decided[index]}` : ""}`,
        }),
      ),
    );
    const done = Object.keys(state.decided).length;
    progress.value = done;
    count.textContent = `${done} of ${queue.length} decided${state.disagreements ? ` · ${state.disagreements} opinions differ` : ""}`;
  }

  async function open() {
    if (!queue.length) {
      title.textContent = "No image waits for a review.";
      buttons.forEach((button) => {
        button.disabled = true;
      });
      return;
    }
    const cells = item();
    const changed = content.outdated.includes(cells[at.source_path])
      ? " · the file changed since it was decided: look again"
      : "";
    title.textContent = `${cells[at.source_path]} · ${cells[at.reason] || cells[at.verdict]} · ${cells[at.risk_reason]}${changed}`;
    for (const canvas of Object.values(canvases)) [canvas.width, canvas.height] = [300, 150]; // never the picture of another image
    Object.assign(state, {
      parts: {},
      corners: null,
      chosen: -1,
      boxes: parse(cells[at.boxes]),
      frame: 0,
      frames: 1,
      series: [],
      findings: [],
    });
    fillList();
    const answer = await ask("found", { path: cells[at.source_path] }).catch(() => null);
    if (answer) Object.assign(state, { findings: answer.findings, series: answer.series });
    state.frame = Math.max(0, state.series.indexOf(cells[at.source_path]));
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
            onclick: () => addBox(parse(box)[0]),
          }),
        ),
      ),
    );
    await look(true);
  }

  async function look(fresh = false) {
    const turn = ++state.asked;
    const corners = state.corners || {};
    const sent = { path: path(), frame: state.frames > 1 ? state.frame : 0, ...corners };
    const before = await ask("view", { ...sent, side: "before" }).catch(() => null);
    if (!before || turn !== state.asked) return;
    state.parts.before = before;
    if (fresh) {
      if (before.frames > 1) Object.assign(state, { frames: before.frames, frame: 0 });
      Object.assign(state, { low: before.low, high: before.high });
      [level.min, level.max, width.max] = [
        before.lowest,
        before.highest,
        Math.max(2, 2 * (before.highest - before.lowest)),
      ];
      [level.value, width.value] = [(before.low + before.high) / 2, before.high - before.low];
    }
    const last = Math.max(state.frames, state.series.length) - 1;
    [frame.max, frame.value, frame.disabled] = [last, state.frame, last < 1];
    where.textContent = `${state.frame + 1} of ${last + 1}`;
    delete state.parts.after;
    draw();
    await compare();
  }

  const compare = later(150, async () => {
    const turn = state.asked;
    const after = await ask("view", {
      path: path(),
      frame: state.frames > 1 ? state.frame : 0,
      ...(state.corners || {}),
      side: "after",
      boxes: format(state.boxes),
    }).catch(() => null);
    if (!after || turn !== state.asked) return;
    state.parts.after = after;
    draw();
  });

  function draw() {
    for (const side of ["before", "after"]) {
      const part = state.parts[side];
      if (!part) continue;
      const canvas = canvases[side];
      [canvas.width, canvas.height] = [part.width, part.height];
      canvas.getContext("2d").putImageData(pixels(part, state.low, state.high), 0, 0);
    }
    if (state.parts.before) drawBoxes();
  }

  function drawBoxes() {
    const context = canvases.before.getContext("2d");
    const stroke = (box, colour, dashed) => strokeBox(context, state.parts.before, box, colour, dashed);
    state.findings.forEach(({ box, tier }) => parse(box).forEach((one) => stroke(one, COLOURS[tier], true)));
    state.boxes.forEach((box, index) => stroke(box, index === state.chosen ? COLOURS.chosen : COLOURS.own, false));
  }

  const pointer = (event) => {
    const part = state.parts.before;
    const area = canvases.before.getBoundingClientRect();
    return [
      part.x0 + ((event.clientX - area.left) / area.width) * part.width * part.step,
      part.y0 + ((event.clientY - area.top) / area.height) * part.height * part.step,
    ];
  };
  let drag = null;

  canvases.before.addEventListener("pointerdown", (event) => {
    if (!state.parts.before) return;
    const start = pointer(event);
    const hit = state.boxes.findIndex((box) => inside(start, box));
    canvases.before.setPointerCapture(event.pointerId);
    if (hit >= 0) drag = { start, index: hit, from: [...state.boxes[hit]] };
    else drag = { start, index: state.boxes.push([...start, ...start]) - 1, from: null };
    state.chosen = drag.index;
    root.focus();
    draw();
  });
  canvases.before.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = pointer(event);
    const [dx, dy] = [x - drag.start[0], y - drag.start[1]];
    state.boxes[drag.index] = drag.from
      ? drag.from.map((value, index) => value + (index % 2 ? dy : dx))
      : [
          Math.min(x, drag.start[0]),
          Math.min(y, drag.start[1]),
          Math.max(x, drag.start[0]),
          Math.max(y, drag.start[1]),
        ];
    draw();
  });
  canvases.before.addEventListener("pointerup", () => {
    if (!drag) return;
    const { rows, columns } = state.parts.before;
    const [x0, y0, x1, y1] = state.boxes[drag.index].map(Math.round);
    state.boxes[drag.index] = [Math.max(0, x0), Math.max(0, y0), Math.min(columns, x1), Math.min(rows, y1)];
    if (!drag.from && (x1 - x0 < 3 || y1 - y0 < 3)) {
      state.boxes.splice(drag.index, 1);
      state.chosen = -1;
    }
    drag = null;
    draw();
    compare();
  });

  function addBox(box) {
    state.chosen = state.boxes.push(box) - 1;
    draw();
    compare();
  }
  function deleteBox() {
    if (state.chosen < 0) return;
    state.boxes.splice(state.chosen, 1);
    state.chosen = -1;
    draw();
    compare();
  }

  function zoom(factor) {
    const part = state.parts.before;
    if (!part) return;
    const [middleX, middleY] = [(part.x0 + part.x1) / 2, (part.y0 + part.y1) / 2];
    const [w, h] = [
      Math.min(part.columns, (part.x1 - part.x0) * factor),
      Math.min(part.rows, (part.y1 - part.y0) * factor),
    ];
    const x0 = Math.round(Math.min(Math.max(0, middleX - w / 2), part.columns - w));
    const y0 = Math.round(Math.min(Math.max(0, middleY - h / 2), part.rows - h));
    state.corners =
      w >= part.columns && h >= part.rows
        ? null
        : { x0, y0, x1: Math.round(x0 + Math.max(16, w)), y1: Math.round(y0 + Math.max(16, h)) };
    look();
  }

  function go(by) {
    state.place = Math.min(Math.max(state.place + by, 0), queue.length - 1);
    open();
  }

  function scroll(by) {
    const last = Math.max(state.frames, state.series.length) - 1;
    state.frame = Math.min(Math.max(state.frame + by, 0), last);
    look();
  }

  async function decide(decision) {
    const boxes = decision === "redact" ? format(state.boxes) : "";
    const answer = await ask("decide", {
      path: item()[at.source_path],
      decision,
      boxes,
      scope: scope.value,
      note: note.value,
    }).catch(() => null);
    if (!answer) return;
    if (decision === "redact") item()[at.boxes] = boxes;
    Object.assign(state, { decided: answer.decided, disagreements: answer.disagreements });
    status.textContent = `${decision}: written to image_decisions.csv as ${content.reviewer}.`;
    [scope.value, note.value] = ["image", ""];
    const open_ones = queue.map((_, index) => index).filter((index) => !state.decided[index]);
    if (open_ones.length) state.place = open_ones.find((index) => index > state.place) ?? open_ones[0];
    await open();
  }

  async function takeBack() {
    const answer = await ask("undo").catch(() => null);
    if (!answer) return;
    Object.assign(state, { decided: answer.decided, disagreements: answer.disagreements });
    const place = queue.findIndex((cells) => cells[at.source_path] === answer.undone);
    if (place >= 0) state.place = place;
    await open();
    status.textContent = answer.undone ? "Taken back." : "Nothing to take back.";
  }

  list.addEventListener("change", () => {
    state.place = Number(list.value);
    open();
  });
  frame.addEventListener(
    "input",
    later(40, () => {
      state.frame = Number(frame.value);
      look();
    }),
  );
  for (const input of [level, width])
    input.addEventListener("input", () => {
      Object.assign(state, { low: level.value - width.value / 2, high: Number(level.value) + width.value / 2 });
      draw();
    });
  canvases.before.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.5 : 2);
    },
    { passive: false },
  );
  const keys = {
    a: () => decide("accept"),
    r: () => decide("redact"),
    x: () => decide("reject"),
    u: takeBack,
    n: () => go(1),
    p: () => go(-1),
    ArrowRight: () => go(1),
    ArrowLeft: () => go(-1),
    ArrowDown: () => scroll(1),
    ArrowUp: () => scroll(-1),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    Delete: deleteBox,
    Backspace: deleteBox,
  };
  root.addEventListener("keydown", (event) => {
    if (typing(event) || event.target.type === "range" || event.ctrlKey || event.metaKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  const waiting = queue.findIndex((_, index) => !state.decided[index]);
  state.place = Math.max(0, waiting);
  open();
}

export default { render };
