function render({ model, el }) {
  const content = model.get("content");
  const { root, status, complain } = panel(el, "Quarantine browser");
  const ask = asker(model, complain);
  const examples = make("div");
  const requeue = button("Sort again with the lookup tables as they are now", again, { class: "main" });
  const headings = content.columns.map((text) => text.replaceAll("_", " "));
  root.append(
    openingGrid(headings, content.causes, open).table,
    bar(requeue, make("span", { class: "quiet", text: "Choose a cause to see its files." })),
    examples,
    status,
  );

  async function open(index) {
    const answer = await ask("examples", { cause: index }).catch(() => null);
    if (!answer) return;
    const said = make("p", { class: "count", text: `${answer.rows.length} of ${answer.files} files` });
    examples.replaceChildren(said, grid(["file", "modality", "detail"], answer.rows));
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
