// Two pictures locked side by side: zoom at the pointer, pan, window by drag, 1:1, difference. Boxes are in pixels of
// the whole image; Python sends the part that is looked at and no more of it than fits on the screen.

const COLOURS = { high: "#ff7a1a", medium: "#ffc02e", low: "#9fb4c4", own: "#4fd1ff", chosen: "#ffffff" };

const parse = (text) => (text ? text.split(";").map((box) => box.split(",").map(Number)) : []);
const format = (boxes) => boxes.map((box) => box.map(Math.round).join(",")).join(";");
const inside = ([x, y], [x0, y0, x1, y1]) => x >= x0 && x < x1 && y >= y0 && y < y1;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function valuesOf(part) {
  const view = part.buffers[0];
  const bytes = view.buffer ? view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) : view;
  return part.colour ? new Uint8Array(bytes) : new Int16Array(bytes);
}

// Level and width are applied here, to the values of the image: no round trip. With `other`: where the two differ.
function pixels(part, low, high, other) {
  const image = new ImageData(part.width, part.height);
  const values = valuesOf(part);
  const others = other && valuesOf(other);
  const scale = 255 / Math.max(1, high - low);
  for (let pixel = 0; pixel < part.width * part.height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const place = part.colour ? 3 * pixel + channel : pixel;
      const apart = others ? Math.abs(values[place] - others[place]) : 0;
      const shade = others ? apart && 64 + apart * scale : (values[place] - low) * scale;
      image.data[4 * pixel + channel] = part.invert && !others ? 255 - shade : shade;
    }
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

function strokeBox(context, part, [x0, y0, x1, y1], colour, dashed) {
  const line = Math.max(1.5, part.width / 450);
  context.setLineDash(dashed ? [4 * line, 3 * line] : []);
  [context.strokeStyle, context.lineWidth] = [colour, line];
  context.strokeRect(
    (x0 - part.x0) / part.step,
    (y0 - part.y0) / part.step,
    (x1 - x0) / part.step,
    (y1 - y0) / part.step,
  );
}

// `load(side, corners)` -> a part or null; `overlay(context, part)`; `press(point)` -> {move, up} of a drag with the
// first button on the original, in pixels of the image.
function pairOfPictures({ load, overlay, press, focus }) {
  const slider = (label, low, high) => field(label, { type: "range", min: low, max: high });
  const [level, width] = [slider("Level", -1024, 3071), slider("Width", 1, 4096)];
  const canvas = (label, kind) => make("canvas", { class: kind, role: "img", "aria-label": label });
  const canvases = [canvas("Original with boxes", "draw"), canvas("What would be released", "look")];
  const caption = make("figcaption");
  const state = { parts: [], corners: null, low: 0, high: 255, turn: 0, difference: false, actual: false };

  function clear() {
    Object.assign(state, { parts: [], corners: null, actual: false, turn: state.turn + 1 });
    for (const one of canvases) [one.width, one.height] = [300, 150]; // never the picture of another image
  }

  // The original at once, the other side when nobody asked for anything else meanwhile.
  async function show(fresh = false) {
    const turn = ++state.turn;
    const before = await load("before", state.corners || {}).catch(() => null);
    if (turn !== state.turn) return undefined;
    if (!before) {
      clear();
      return null;
    }
    state.parts = [before];
    if (fresh) {
      [level.min, level.max] = [before.lowest, before.highest];
      width.max = Math.max(2, 2 * (before.highest - before.lowest));
      setWindow(before.low, before.high);
    } else draw();
    compare();
    return before;
  }

  const compare = later(150, async () => {
    const turn = state.turn;
    const after = state.parts[0] && (await load("after", state.corners || {}).catch(() => null));
    if (!after || turn !== state.turn) return;
    state.parts[1] = after;
    draw();
  });

  function draw() {
    const [before, after] = state.parts;
    state.parts.forEach((part, side) => {
      const one = canvases[side];
      [one.width, one.height] = [part.width, part.height];
      one.style.width = state.actual ? `${(part.width * part.step) / devicePixelRatio}px` : "";
      const other = side && state.difference && before.width === after.width ? before : null;
      one.getContext("2d").putImageData(pixels(part, state.low, state.high, other), 0, 0);
    });
    caption.textContent = state.difference ? "What differs from the original" : "What would be released with these boxes";
    if (before) overlay(canvases[0].getContext("2d"), before);
  }

  function setWindow(low, high) {
    Object.assign(state, { low, high: Math.max(low + 1, high) });
    [level.value, width.value] = [(state.low + state.high) / 2, state.high - state.low];
    draw();
  }

  const area = () => state.corners || { x0: 0, y0: 0, x1: state.parts[0].columns, y1: state.parts[0].rows };
  function place(x0, y0, w) {
    const { rows, columns } = state.parts[0];
    const wide = clamp(Math.round(w), Math.min(16, columns), columns);
    const tall = clamp(Math.round((wide * rows) / columns), Math.min(16, rows), rows);
    const [left, top] = [clamp(Math.round(x0), 0, columns - wide), clamp(Math.round(y0), 0, rows - tall)];
    state.corners = wide === columns ? null : { x0: left, y0: top, x1: left + wide, y1: top + tall };
    show();
  }
  // The point of the image under (fractions of the picture) stays where it is.
  function zoom(factor, [across, down] = [0.5, 0.5]) {
    if (!state.parts[0]) return;
    const { x0, y0, x1, y1 } = area();
    const w = Math.min((x1 - x0) * factor, state.parts[0].columns);
    const grown = w / (x1 - x0);
    state.actual = false;
    place(x0 + across * (x1 - x0 - w), y0 + down * (y1 - y0) * (1 - grown), w);
  }
  function pan(across, down) {
    if (!state.parts[0]) return;
    const { x0, y0, x1, y1 } = area();
    place(x0 + across * (x1 - x0), y0 + down * (y1 - y0), x1 - x0);
  }
  function fit() {
    Object.assign(state, { corners: null, actual: false });
    show();
  }
  function actual() {
    if (!state.parts[0]) return;
    canvases[0].style.width = "";
    const { x0, y0, x1, y1 } = area();
    const w = Math.min(canvases[0].clientWidth * devicePixelRatio, state.parts[0].columns);
    state.actual = true;
    place((x0 + x1 - w) / 2, (y0 + y1 - (w * state.parts[0].rows) / state.parts[0].columns) / 2, w);
  }
  function difference() {
    state.difference = !state.difference;
    draw();
  }

  const share = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const point = (event) => {
    const [across, down] = share(event);
    const part = state.parts[0];
    return [part.x0 + across * part.width * part.step, part.y0 + down * part.height * part.step];
  };
  let drag = null;
  function start(event) {
    if (!state.parts[0]) return;
    event.preventDefault();
    focus();
    event.currentTarget.setPointerCapture(event.pointerId);
    const [from, { low, high }] = [share(event), state];
    const span = state.parts[0].highest - state.parts[0].lowest || 1;
    if (event.button === 2)
      drag = {
        move: (to) => {
          const middle = (low + high) / 2 + (to[1] - from[1]) * span;
          const half = Math.max(1, (high - low) / 2 + ((to[0] - from[0]) * span) / 2);
          setWindow(middle - half, middle + half);
        },
      };
    else if (event.button === 1 || event.shiftKey || event.currentTarget === canvases[1]) {
      const { x0, y0, x1, y1 } = area();
      const move = later(15, (to) =>
        place(x0 - (to[0] - from[0]) * (x1 - x0), y0 - (to[1] - from[1]) * (y1 - y0), x1 - x0),
      );
      drag = { move };
    } else {
      const own = press(point(event));
      drag = { move: (_, at) => own.move(at), up: own.up };
    }
  }
  canvases.forEach((one) => {
    one.addEventListener("pointerdown", start);
    one.addEventListener("pointermove", (event) => drag?.move(share(event), point(event)));
    one.addEventListener("pointerup", () => {
      drag?.up?.(state.parts[0]);
      drag = null;
    });
    one.addEventListener("contextmenu", (event) => event.preventDefault());
    const wheel = (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 0.7 : 1 / 0.7, share(event));
    };
    one.addEventListener("wheel", wheel, { passive: false });
  });
  for (const input of [level, width])
    input.addEventListener("input", () =>
      setWindow(level.value - width.value / 2, Number(level.value) + width.value / 2),
    );

  const sign = (text, label, onclick) => button(text, onclick, { "aria-label": label });
  const tools = [
    make("label", {}, "Level", level),
    make("label", {}, "Width", width),
    sign("+", "Zoom in (+)", () => zoom(0.5)),
    sign("−", "Zoom out (-)", () => zoom(2)),
    sign("fit", "Whole image (0)", fit),
    sign("1:1", "One pixel of the image on one of the screen (1)", actual),
    sign("difference", "What differs from the original (d)", difference),
  ];
  const keys = {
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    0: fit,
    1: actual,
    d: difference,
    "Shift+ArrowLeft": () => pan(-0.25, 0),
    "Shift+ArrowRight": () => pan(0.25, 0),
    "Shift+ArrowUp": () => pan(0, -0.25),
    "Shift+ArrowDown": () => pan(0, 0.25),
  };
  const figures = make(
    "div",
    { class: "stage" },
    make("figure", {}, make("figcaption", { text: "Original: drag to draw a box" }), canvases[0]),
    make("figure", {}, caption, canvases[1]),
  );
  const shown = () => state.parts[0] && { ...area(), rows: state.parts[0].rows, columns: state.parts[0].columns };
  return { figures, tools, keys, clear, show, shown, draw, compare };
}
