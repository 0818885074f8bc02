function render({ model, el }) {
  const content = model.get("content");
  const { root, status, complain } = panel(el, "Quarantine browser");
  const ask = asker(model, complain);
  const examples = make("div");
  const requeue = make("button", {
    class: "main",
    text: "Sort again with the lookup tables as they are now",
    onclick: again,
  });
  const rows = content.causes.map((cells, index) =>
    make(
      "tr",
      {
        "data-row": index,
        tabindex: "0",
        role: "button",
        onclick: () => open(index),
        onkeydown: (event) => {
          if (event.key === "Enter" || event.key === " ") {
            open(index);
            event.preventDefault();
          }
        },
      },
      ...cells.map((cell) => make("td", { class: typeof cell === "number" ? "number" : "", text: cell })),
    ),
  );
  root.append(
    scrollingTable(content.columns.map((text) => text.replaceAll("_", " ")), make("tbody", {}, ...rows)),
    make("div", { class: "bar" }, requeue, make("span", { class: "quiet", text: "Choose a cause to see its files." })),
    examples,
    status,
  );

  async function open(index) {
    rows.forEach((row, number) => row.classList.toggle("chosen", number === index));
    const answer = await ask("examples", { cause: index }).catch(() => null);
    if (!answer) return;
    examples.replaceChildren(
      make("p", { class: "count", text: `${answer.rows.length} of ${answer.files} files` }),
      make(
        "div",
        { class: "window" },
        make(
          "table",
          {},
          make(
            "thead",
            {},
            make("tr", {}, ...["file", "modality", "detail"].map((text) => make("th", { scope: "col", text }))),
          ),
          make(
            "tbody",
            {},
            ...answer.rows.map((cells) => make("tr", {}, ...cells.map((text) => make("td", { text })))),
          ),
        ),
      ),
    );
  }

  async function again() {
    requeue.disabled = true;
    status.textContent = "Sorting …";
    const answer = await ask("requeue").catch(() => null);
    requeue.disabled = false;
    if (answer)
      status.textContent = `${answer.mended} of ${answer.of} files can be released now; the next run of 03 does it.`;
  }
}

export default { render };
