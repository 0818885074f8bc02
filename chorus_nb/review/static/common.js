// What all panels share. Text reaches the page by textContent only: header text is data, never markup.

function make(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

const bar = (...children) => make("div", { class: "bar" }, ...children);
const button = (text, onclick, more = {}) => make("button", { text, onclick, ...more });
const field = (label, more = {}) => make("input", { "aria-label": label, ...more });
// A list to choose from; each pair is a value and its words.
const choice = (label, pairs, more = {}) =>
  make("select", { "aria-label": label, ...more }, ...pairs.map(([value, text = value]) => make("option", { value, text })));
const counted = (number) => number.toLocaleString("en");

// ask("name", {argument: value}) -> answer of the Python method, with its buffers; a refusal is shown and rejected.
// A panel that can ask also watches its kernel and knows who decides.
function asker(model, complain) {
  heartbeat(complain.root, model);
  signIn(complain.root, model, complain);
  return questions(model, complain);
}

function questions(model, complain) {
  const waiting = new Map();
  const panel = crypto.getRandomValues(new Uint32Array(1))[0]; // every view of a panel hears all answers
  let last = 0;
  model.on("msg:custom", (message, buffers) => {
    const settle = waiting.get(message.to);
    if (!settle) return;
    waiting.delete(message.to);
    if (message.refused) {
      complain(message.refused.join(" · "));
      settle.reject(new Error("refused"));
    } else {
      complain("");
      settle.resolve({ ...message, buffers: buffers || [] });
    }
  });
  return (name, values = {}) =>
    new Promise((resolve, reject) => {
      const id = `${panel}.${++last}`;
      waiting.set(id, { resolve, reject });
      model.send({ ask: name, id, with: values });
    });
}

// Says within 3 s that the kernel does not answer. Until it does, keys, clicks and boxes do nothing.
function heartbeat(root, model) {
  const ask = questions(model, () => {});
  const gone = make("p", { class: "silent", role: "alert" });
  let asked = 0;
  let next = 0;
  root.prepend(gone);
  const answered = () => {
    [asked, next, gone.textContent] = [0, Date.now() + 1000, ""];
    root.removeAttribute("aria-disabled");
  };
  model.on("msg:custom", answered); // whatever it says, it is there
  const beat = () => {
    if (document.hidden) asked = 0;
    else if (!asked && Date.now() >= next) {
      asked = Date.now();
      ask("alive").catch(() => (asked = 1)); // a connection that is closed refuses at once
    } else if (asked && Date.now() - asked > 1200) {
      root.setAttribute("aria-disabled", "true");
      gone.textContent =
        "The kernel does not answer: it is busy, or gone. Nothing is written until it answers; what is not confirmed below may not be. After a restart, run the cell again and look.";
    }
  };
  const timer = setInterval(() => (root.isConnected || !next ? beat() : clearInterval(timer)), 250);
  for (const kind of ["keydown", "click", "change", "input", "pointerdown", "wheel"])
    root.addEventListener(
      kind,
      (event) => {
        if (!gone.textContent || event.key === "Tab") return;
        event.preventDefault();
        event.stopImmediatePropagation();
      },
      { capture: true, passive: false },
    );
}

// Asks who decides where the account is shared by many; the answer stands in content.reviewer.
function signIn(root, model, complain) {
  const content = model.get("content");
  const told = () => make("p", { class: "quiet", text: `Decisions are written as ${content.reviewer}.` });
  if (content.reviewer !== "") return content.reviewer && root.prepend(told());
  const name = field("Your name", { placeholder: "your name", size: "24" });
  const form = make("form", { class: "bar change" }, "Who decides?", name, make("button", { text: "This is me" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await questions(model, complain)("sign", { name: name.value }).catch(() => null);
    if (!answer) return;
    content.reviewer = answer.reviewer;
    form.replaceWith(told());
  });
  root.prepend(form);
}

// The root of a panel: focusable, labelled, and its keys are not Lab's (Lab's "x" would cut the cell).
function panel(el, label) {
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const trouble = make("p", { class: "status refused", role: "alert" });
  const root = make("div", {
    class: "chorus-panel",
    tabindex: "0",
    role: "group",
    "aria-label": label,
    "data-lm-suppress-shortcuts": "true",
  });
  const complain = (text) => {
    trouble.textContent = text;
    status.after(trouble);
  };
  complain.root = root;
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  return { root, status, complain };
}

/** A table that scrolls in its window. */
function scrollingTable(headings, body) {
  const heads = headings.map((text) => make("th", { scope: "col", text }));
  return make("div", { class: "window" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body));
}

const cellsOf = (cells) => cells.map((text) => make("td", { class: typeof text === "number" ? "number" : "", text }));
const grid = (headings, rows) =>
  scrollingTable(headings, make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cellsOf(cells)))));

/** The same, of which each row opens something: by click, Enter or Space. */
function openingGrid(headings, list, open) {
  const rows = list.map((cells, index) => {
    const run = (event) => (event.preventDefault(), choose(index));
    const more = { tabindex: "0", role: "button", "data-row": index, onclick: run };
    return make("tr", { ...more, onkeydown: (event) => ["Enter", " "].includes(event.key) && run(event) }, ...cellsOf(cells));
  });
  function choose(index, ...more) {
    rows.forEach((row, number) => row.classList.toggle("chosen", number === index));
    return open(index, ...more);
  }
  return { table: scrollingTable(headings, make("tbody", {}, ...rows)), choose };
}

const webgl = () => Boolean(document.createElement("canvas").getContext("webgl2"));

const typing = (event) =>
  ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range";

function later(milliseconds, run) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}
