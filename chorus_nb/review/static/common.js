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

// ask("name", {argument: value}) -> answer of the Python method, with its buffers; a refusal is shown and rejected.
function asker(model, complain) {
  const waiting = new Map();
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
      waiting.set(++last, { resolve, reject });
      model.send({ ask: name, id: last, with: values });
    });
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
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  return {
    root,
    status,
    complain: (text) => {
      trouble.textContent = text;
      status.after(trouble);
    },
  };
}

/** A table that scrolls in its window. */
function scrollingTable(headings, body) {
  const heads = headings.map((text) => make("th", { scope: "col", text }));
  return make("div", { class: "window" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body));
}

const typing = (event) =>
  ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "range";

function later(milliseconds, run) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), milliseconds);
  };
}
