// A picture of the app in a notebook: anywidget's model in place of Streamlit's component.
//
// It stands in a shadow tree, so that neither the notebook's style nor ours reaches the other; colours and letters are the notebook's own.

/** @typedef {{ get: (name: string) => unknown, set: (name: string, value: unknown) => void, save_changes: () => void, on: (event: string, heard: () => void) => void, off: (event: string, heard: () => void) => void }} Model */

// JupyterLab, VS Code, marimo, Colab; else the page's own.
const THEME = `:host {
  display: block; padding: 4px 0; color-scheme: inherit;
  --st-font: var(--jp-ui-font-family, var(--vscode-font-family, var(--text-font, system-ui, sans-serif)));
  --st-text-color: var(--jp-content-font-color1, var(--vscode-editor-foreground, var(--foreground, var(--colab-primary-text-color, CanvasText))));
  --st-background-color: var(--jp-layout-color0, var(--vscode-editor-background, var(--background, var(--colab-primary-surface-color, Canvas))));
  --st-secondary-background-color: var(--jp-layout-color2, color-mix(in oklab, var(--st-text-color) 8%, var(--st-background-color)));
  --st-primary-color: #d6336c;
}
`;

/**
 * What anywidget calls: the picture is told `data` whenever Python changes it, and what it sets goes to Python under the same name.
 * @template D
 * @param {(call: import("./picture.js").Call<D>) => () => void} picture as Streamlit calls it
 * @param {string} style
 */
export function widget(picture, style) {
  /** @type {(given: { model: Model, el: HTMLElement }) => () => void} */
  const render = ({ model, el }) => {
    const host = document.createElement("div");
    host.setAttribute("data-lm-suppress-shortcuts", "true"); // keys that the picture takes move no cell of JupyterLab
    const tree = host.attachShadow({ mode: "open" });
    const sheet = tree.appendChild(document.createElement("style"));
    sheet.textContent = THEME + style;
    const parentElement = tree.appendChild(document.createElement("div"));
    el.append(host);
    let leave = () => {};
    const tell = () => {
      const data = /** @type {D} */ (model.get("data"));
      leave = picture({ data, parentElement, setStateValue: (name, value) => (model.set(name, value), model.save_changes()) });
    };
    model.on("change:data", tell);
    tell();
    return () => {
      model.off("change:data", tell);
      host.remove();
      leave();
    };
  };
  return { render };
}
