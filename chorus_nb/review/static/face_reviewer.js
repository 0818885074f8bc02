function render({ model, el }) {
  const content = model.get("content");
  const { root, status, complain } = panel(el, "Face reviewer");
  const ask = asker(model, complain);
  const [UID, MODALITY, SERIES, FILES, WAITING, WHY, STATUS, REASON] = [0, 1, 2, 3, 4, 5, 6, 7];
  let decided = content.decided;
  let current = 0;
  let inSpace = -1;
  let looked = -1; // the head whose pictures are there, or are known to be none
  const names = ["before", "before, turned", "after", "after, turned", "from the side", "from the front", "from below"];
  const AFTER = [2, 3]; // of the names
  const canvases = names.map((text) => make("canvas", { width: 1, height: 1, role: "img", "aria-label": `The head ${text}` }));
  const captions = names.map((text) => make("figcaption", { text }));
  const figures = canvases.map((canvas, place) => make("figure", {}, canvas, captions[place]));
  const facts = make("p", { class: "count" });
  const file = make("b", { class: "file" });
  const said = make("ul", { class: "said", "aria-label": "What was decided about it" });
  const heads = content.queue.map((row, number) => [number, label(row, number)]);
  const choose = choice("Heads of the queue", heads, { onchange: () => open(Number(choose.value)) });
  const start = field("Start: nodding, turning, tilting in degrees", { placeholder: "start 0,0,0°" });
  const shift = field("Shift: left, back, up in mm", { placeholder: "shift 0,0,0 mm" });
  const note = field("Reason of the decision", { placeholder: "why" });
  const turning = webgl() ? "Turn in space (v)" : "no WebGL here: flat pictures only";
  root.append(
    bar(choose, facts),
    file,
    said,
    bar(...figures.slice(0, 4)),
    bar(...figures.slice(4)),
    bar(
      start,
      shift,
      button("Try", () => look(true)),
      button(turning, space, { disabled: !webgl() }),
      note,
      button("Deface (d)", () => decide("deface"), { class: "main" }),
      button("Release as it is", () => decide("release")),
      button("Hold (x)", () => decide("hold")),
      button("Undo (u)", undo),
    ),
    status,
  );
  root.addEventListener("keydown", (event) => {
    if (typing(event)) return;
    const run = { d: () => decide("deface"), x: () => decide("hold"), u: undo, n: () => open(current + 1), v: space }[event.key];
    if (run) {
      run();
      event.preventDefault();
    }
  });
  if (content.queue.length) open(0);
  else status.textContent = "No head may show a face, or deface is not apply.";

  function label(row, number) {
    const waits = row[WAITING] ? `, ${row[WAITING]} wait` : "";
    return `${number + 1}. ${row[MODALITY]}, ${row[SERIES]} series, ${files(row[FILES])}${waits}: ${decided[number] || row[STATUS]}`;
  }

  function files(number) {
    return `${counted(number)} ${number === 1 ? "file" : "files"}`;
  }

  async function open(number) {
    if (number < 0 || number >= content.queue.length) return;
    current = number;
    choose.value = number;
    start.value = shift.value = note.value = "";
    const row = content.queue[number];
    const frees = row[WAITING] ? `one decision about ${row[SERIES]} series frees ${files(row[WAITING])}` : "";
    const blind = content.blind && "blind: what others decided is not shown";
    facts.textContent = [row[WHY], row[REASON], frees, blind].filter(Boolean).join(" · ");
    file.textContent = said.textContent = "";
    if (inSpace >= 0) ask("volume").catch(() => null);
    inSpace = -1;
    const known = await ask("said", { number }).catch(() => null);
    if (number !== current) return;
    file.textContent = known?.path ?? "";
    said.replaceChildren(...(known?.said ?? []).map((text) => make("li", { text })));
    await look(false);
  }

  // The head in three planes and 3D, below the panel; gone when another head is opened.
  async function space() {
    if (!webgl()) return;
    status.textContent = "Reading the volume …";
    inSpace = inSpace === current ? -1 : current;
    await ask("volume", { number: inSpace }).catch(() => (inSpace = -1));
    status.textContent = "";
  }

  async function look(tried) {
    const shown = current;
    looked = -1;
    status.textContent = tried ? "Searching …" : "Drawing …";
    canvases.forEach((canvas) => (canvas.width = canvas.height = 1));
    const values = tried ? { start: start.value, shift: shift.value } : {};
    const answer = await ask("view", { number: shown, ...values }).catch(() => null);
    if (shown !== current) return;
    looked = shown;
    status.textContent = "";
    if (!answer) return;
    if (!answer.masked) status.textContent = "There is no mask for this head: give a start to search from, and try.";
    captions[2].textContent = answer.written ? "released" : "would be released";
    const drawn = figures.map((_, place) => place).filter((place) => answer.masked || !AFTER.includes(place));
    figures.forEach((figure, place) => (figure.hidden = !drawn.includes(place)));
    drawn.forEach((place, number) => draw(canvases[place], answer.pictures[number], answer.buffers[number]));
  }

  function draw(canvas, { width, height }, buffer) {
    canvas.width = width;
    canvas.height = height;
    const grey = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    const image = new ImageData(width, height);
    grey.forEach((value, index) => image.data.set([value, value, value, 255], 4 * index));
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  async function decide(decision) {
    if (looked !== current) {
      complain("wait for the pictures: nothing was decided");
      return;
    }
    const values = { number: current, decision, start: start.value, shift: shift.value, note: note.value };
    const answer = await ask("decide", values).catch(() => null);
    if (!answer) return;
    refresh(answer.decided);
    status.textContent = `${decision}: written; the next run of 03 obeys.`;
    const next = content.queue.findIndex((row, number) => number > current && !decided[number]);
    if (next > 0) await open(next);
  }

  async function undo() {
    const answer = await ask("undo").catch(() => null);
    if (!answer) return;
    refresh(answer.decided);
    status.textContent = answer.undone ? "Taken back." : "Nothing to take back.";
  }

  function refresh(now) {
    decided = now;
    content.queue.forEach((row, number) => (choose.options[number].textContent = label(row, number)));
  }
}

export default { render };
