// Stores pictures of views in a saved notebook. When the notebook is opened again, JupyterLab has a new kernel and can
// no longer show the view itself.

export const VIEW = "application/vnd.jupyter.widget-view+json";
const STATE = "application/vnd.jupyter.widget-state+json";
const AGAIN = '<p style="margin: 0 0 6px">This is what the cell showed. Run the cell again to use the view.</p>';
const RUN_IT = /<p>This is a picture\..*?<\/p>$/; // AGAIN replaces these words
const watched = new WeakMap(); // for each notebook, the models that it shows

/**
 * For each view whose output includes its picture, make a plain HTML widget that has the same id and shows the picture.
 * If `newer` contains a newer picture `{ id, html }`, the widget shows that picture instead.
 */
export function picturesOf(outputs, newer = []) {
  const html = (data) =>
    newer.find(({ id }) => id === data[VIEW].model_id)?.html ?? [data["text/html"]].flat().join("");
  const shown = outputs.filter((data) => data[VIEW]?.model_id && data["text/html"]);
  return Object.fromEntries(
    shown.map((data) => [
      data[VIEW].model_id,
      {
        model_name: "HTMLModel",
        model_module: "@jupyter-widgets/controls",
        model_module_version: "2.0.0",
        state: { value: AGAIN + html(data).replace(RUN_IT, ""), layout: null, style: null, llm_picture: true },
      },
    ]),
  );
}

/** Add these pictures to the notebook's saved widgets, and drop the pictures of deleted outputs. */
export function withPictures(metadata, pictures) {
  const known = metadata?.[STATE] ?? { version_major: 2, version_minor: 0, state: {} };
  const others = Object.entries(known.state).filter(([, { state }]) => !state?.llm_picture);
  return { ...metadata, [STATE]: { ...known, state: { ...pictures, ...Object.fromEntries(others) } } };
}

/**
 * Whenever the notebook that shows this model is saved, store the views' pictures where JupyterLab looks for widgets.
 * Some views, such as views of runs, keep changing after their cell has run; for these, the trait `still` has a newer
 * picture than the output.
 */
export function keepPictures(model) {
  const context = model.widget_manager?.context; // only JupyterLab and Notebook have a context
  if (!context?.saveState) return;
  const models = watched.get(context) ?? new Set();
  const isKnown = watched.has(context);
  models.add(model);
  watched.set(context, models);
  if (isKnown) return;
  context.saveState.connect((_, what) => {
    if (what !== "started") return;
    const outputs = Array.from(context.model.cells ?? []).flatMap((cell) =>
      Array.from({ length: cell.outputs?.length ?? 0 }, (_output, k) => cell.outputs.get(k).data),
    );
    const pictures = picturesOf(
      outputs,
      [...models].map((one) => one.get("still")).filter((still) => still?.id),
    );
    const before = context.model.getMetadata("widgets");
    const after = withPictures(before, pictures);
    const news = Object.keys(after[STATE].state).length || before;
    if (news && JSON.stringify(after) !== JSON.stringify(before)) context.model.setMetadata("widgets", after);
  });
}
