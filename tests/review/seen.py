"""What those see and hear who work at a panel: contrast as drawn (WCAG 2.1, 1.4.3), names and reach of controls."""

from __future__ import annotations

from typing import Any

THEMES = {  # JupyterLab 4's own variables, of its light and its dark theme
    "true": "--jp-layout-color1:#fff; --jp-layout-color2:#eee; --jp-ui-font-color1:rgba(0,0,0,.87);"
    "--jp-border-color1:#bdbdbd; --jp-border-color2:#e0e0e0",
    "false": "--jp-layout-color1:#111; --jp-layout-color2:#212121; --jp-ui-font-color1:rgba(255,255,255,1);"
    "--jp-border-color1:#616161; --jp-border-color2:#424242",
}
FAINT = """() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = ([r, g, b, a], under) => [r, g, b].map((value, place) => value * a + under[place] * (1 - a));
  const ground = (node) => {
    if (!node) return [255, 255, 255];
    const own = parse(getComputedStyle(node).backgroundColor);
    return own[3] === 1 ? own.slice(0, 3) : over(own, ground(node.parentElement));
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const ratio = (node, colour) => {
    const behind = ground(node);
    const [one, two] = [light(over(parse(colour), behind)), light(behind)].sort((a, b) => b - a);
    return (one + 0.05) / (two + 0.05);
  };
  const faint = [];
  const look = (node, colour, text) => {
    const seen = ratio(node, colour);
    if (seen < 4.5) faint.push([seen.toFixed(2), node.className, text]);
  };
  for (const node of document.querySelectorAll("#panel *")) {
    if (!node.offsetParent || node.disabled || node.tagName === "OPTION") continue;
    const style = getComputedStyle(node);
    const text = [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data).join("").trim();
    if (text || ["INPUT", "SELECT", "TEXTAREA"].includes(node.tagName)) look(node, style.color, text || node.tagName);
    if (node.placeholder) look(node, getComputedStyle(node, "::placeholder").color, node.placeholder);
  }
  return faint;
}"""
UNREACHED = """() => [...document.querySelectorAll("#panel :is(button, input, select, textarea, [tabindex])")]
  .filter((node) => node.offsetParent && !node.disabled)
  .filter((node) => {
    node.focus({ focusVisible: true });
    return document.activeElement !== node || node.tabIndex < 0 || parseFloat(getComputedStyle(node).outlineWidth) < 2;
  }).map((node) => node.outerHTML.slice(0, 200))"""
NAMED = {
    "button",
    "Canvas",
    "checkbox",
    "combobox",
    "image",
    "listbox",
    "progressbar",
    "searchbox",
    "slider",
    "textbox",
    "group",
}


def put_theme(page: Any, theme: str) -> None:
    """JupyterLab's light ("true") or dark ("false") theme."""
    page.evaluate(
        "([light, style]) => { document.body.dataset.jpThemeLight = light; document.body.style = style; }",
        [theme, THEMES[theme]],
    )


def faint(page: Any, theme: str) -> list[Any]:
    """Texts with a contrast below 4.5 in a theme: ratio, class, text."""
    put_theme(page, theme)
    return list(page.evaluate(FAINT))


def nameless(page: Any) -> list[Any]:
    """Controls and pictures of Chromium's accessibility tree that have no name: their roles."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = [
        (node.get("role", {}).get("value"), node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored")
    ]
    assert sum(role in NAMED for role, _ in roles) > 1
    return [role for role, name in roles if role in NAMED and not name.strip()]


def unreached(page: Any) -> list[str]:
    """Controls that the keyboard does not reach, or whose focus cannot be seen."""
    return list(page.evaluate(UNREACHED))
