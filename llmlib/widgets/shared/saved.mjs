// A notebook that is opened again has a new kernel, and JupyterLab knows nothing of the view that it saved.

const VIEW = "application/vnd.jupyter.widget-view+json", STATE = "application/vnd.jupyter.widget-state+json";
const AGAIN = '<p style="margin: 0 0 6px">As the cell showed it. Run the cell again to bring the view to life.</p>';
const RUN_IT = /<p>This is a picture\..*?<\/p>$/; // the same in other words
const watched = new WeakSet();

/** For each view among outputs that carries its picture, a plain HTML widget of the same id that shows the picture. */
export function picturesOf(outputs) {
  const shown = outputs.filter((data) => data[VIEW]?.model_id && data["text/html"]);
  return Object.fromEntries(shown.map((data) => [data[VIEW].model_id, {
    model_name: "HTMLModel", model_module: "@jupyter-widgets/controls", model_module_version: "2.0.0",
    state: { value: AGAIN + [data["text/html"]].flat().join("").replace(RUN_IT, ""), layout: null, style: null, llm_picture: true },
  }]));
}

/** The notebook's saved widgets with these pictures in them; pictures of outputs that are gone fall out. */
export function withPictures(metadata, pictures) {
  const known = metadata?.[STATE] ?? { version_major: 2, version_minor: 0, state: {} };
  const others = Object.entries(known.state).filter(([, { state }]) => !state?.llm_picture);
  return { ...metadata, [STATE]: { ...known, state: { ...pictures, ...Object.fromEntries(others) } } };
}

/** Whenever the notebook that shows this model is saved, save the views' pictures where JupyterLab looks for widgets. */
export function keepPictures(model) {
  const context = model.widget_manager?.context; // JupyterLab and Notebook have one
  if (!context?.saveState || watched.has(context)) return;
  watched.add(context);
  context.saveState.connect((_, what) => {
    if (what !== "started") return;
    const outputs = Array.from(context.model.cells ?? []).flatMap((cell) => Array.from({ length: cell.outputs?.length ?? 0 }, (_, k) => cell.outputs.get(k).data));
    const pictures = picturesOf(outputs);
    const before = context.model.getMetadata("widgets"), after = withPictures(before, pictures);
    const news = Object.keys(after[STATE].state).length || before;
    if (news && JSON.stringify(after) !== JSON.stringify(before)) context.model.setMetadata("widgets", after);
  });
}
