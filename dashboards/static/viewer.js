// The viewer of a case: NiiVue, our controls, and two drawings that jump to a frame or a slice.
import { MULTIPLANAR_TYPE, Niivue, NVImage, SHOW_RENDER, SLICE_TYPE } from "/static/niivue.js";

const $ = (id) => document.getElementById(id);
const viewer = $("viewer");
const { frames, colours } = JSON.parse($("frames").textContent);
const base = viewer.dataset.case;
const SVG = "http://www.w3.org/2000/svg";
const VIEWS = {
  all: SLICE_TYPE.MULTIPLANAR, axial: SLICE_TYPE.AXIAL, coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL, render: SLICE_TYPE.RENDER,
};
const KEPT = 40; // images in memory, the oldest go first

const nv = new Niivue({
  backColor: [0, 0, 0, 1], crosshairColor: [1, 0.85, 0.3, 0.8], show3Dcrosshair: true, dragAndDropEnabled: false,
  isRadiologicalConvention: true, multiplanarShowRender: SHOW_RENDER.ALWAYS, logLevel: "error",
  multiplanarLayout: MULTIPLANAR_TYPE.GRID, crosshairWidth: 0.4, crosshairWidthUnit: "percent",
});
const images = new Map(); // address → promise of an image
let said = { frames: {}, failures: {}, done: false };
let shown = 0;
let wanted = 0;
let waited = false;

function image(address, options) {
  if (!images.has(address)) {
    const found = NVImage.loadFromUrl({ url: address, name: "volume.nii.gz", ...options });
    found.catch(() => images.delete(address));
    images.set(address, found);
    while (images.size > KEPT) images.delete(images.keys().next().value);
  }
  return images.get(address);
}

function window_() {
  return $("window").value.split(",").map(Number);
}

function structuresTable(structures) {
  const part = (index) => [0, ...structures.map((_, i) => colours[i % colours.length][index])];
  return {
    R: part(0), G: part(1), B: part(2), A: [0, ...structures.map(() => 255)],
    labels: ["", ...structures.map((name) => name.replaceAll("_", " "))],
  };
}

async function overlay(frame) {
  const layer = $("layer")?.value; // a classifier draws nothing
  const reading = said.frames[frame.id];
  if (!layer || !reading || reading.structures.length === 0) return null;
  const address = `${base}/frames/${encodeURIComponent(frame.id)}/${layer}.nii.gz`;
  const found = await image(address, layer === "doubt" ? { colormap: "inferno", cal_min: 1, cal_max: 50 } : {});
  if (layer === "prediction") found.setColormapLabel(structuresTable(reading.structures));
  return found;
}

async function show(index) {
  wanted = index;
  const frame = frames[index];
  const [low, high] = window_();
  try {
    const scan = await image(`${base}/frames/${encodeURIComponent(frame.id)}/scan.nii.gz`, { colormap: "gray" });
    const over = await overlay(frame).catch(() => null);
    if (wanted !== index) return; // somebody has moved on
    [scan.cal_min, scan.cal_max] = [low, high];
    if (over) over.opacity = Number($("opacity").value);
    [nv.back, nv.overlays] = [scan, over ? [over] : []];
    nv.volumes = [scan, ...nv.overlays];
    nv.updateGLVolume();
    shown = index;
    $("frame").value = index;
    $("phase").value = frame.phase === null ? "" : `${frame.phase} % of the beat`;
    viewer.dataset.shown = `${index} ${over ? $("layer").value : ""}`.trim();
    mark();
  } catch (error) {
    $("place").textContent = `Frame ${frame.id} cannot be shown: ${error.message ?? error}`;
  }
}

// --- cine
let playing = null;
async function step() {
  if (playing === null) return;
  const started = performance.now();
  await show((shown + 1) % frames.length);
  const rest = 1000 / Math.max(1, Number($("speed").value) || 8) - (performance.now() - started);
  if (playing !== null) playing = setTimeout(step, Math.max(0, rest));
}
function play(on) {
  clearTimeout(playing);
  playing = on ? setTimeout(step, 0) : null;
  $("play").textContent = on ? "Pause" : "Play";
  $("play").setAttribute("aria-pressed", String(on));
}

// --- drawings
function element(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}
function pressable(node, label, action) {
  node.setAttribute("role", "button");
  node.setAttribute("tabindex", "0");
  node.setAttribute("aria-label", label);
  node.addEventListener("click", action);
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); action(); }
  });
}
function chart(holder, label) {
  holder.replaceChildren();
  return element("svg", { viewBox: "0 0 480 180", role: "group", "aria-label": label, class: "chart" }, holder);
}

function drawCurve() {
  const name = $("structure").value;
  const points = frames.map((frame, index) => ({ index, frame, value: said.frames[frame.id]?.outputs[`${name}_ml`] }))
    .filter((point) => point.value !== undefined);
  if (points.length < 2) return;
  const high = Math.max(...points.map((point) => point.value)) * 1.1 || 1;
  const x = (point) => 46 + 418 * (point.index / (frames.length - 1));
  const y = (point) => 150 - 135 * (point.value / high);
  const svg = chart($("curve"), `Volume of the ${name.replaceAll("_", " ")} in ml`);
  for (const share of [0, 0.5, 1]) {
    const level = 150 - 135 * share;
    element("line", { x1: 46, x2: 464, y1: level, y2: level, class: "grid" }, svg);
    element("text", { x: 40, y: level + 4, class: "end" }, svg).textContent = (high * share).toPrecision(3);
  }
  element("polyline", { points: points.map((p) => `${x(p)},${y(p)}`).join(" "), class: "line" }, svg);
  for (const point of points) {
    const phase = point.frame.phase === null ? `frame ${point.index + 1}` : `${point.frame.phase} %`;
    const dot = element("circle", { cx: x(point), cy: y(point), r: 5, "data-index": point.index }, svg);
    pressable(dot, `${phase}: ${point.value.toPrecision(3)} ml`, () => { play(false); show(point.index); });
    if (point.index % Math.ceil(frames.length / 8) === 0) {
      element("text", { x: x(point), y: 170, class: "middle" }, svg).textContent = phase;
    }
  }
  mark();
}

function drawStrip() {
  const bars = said.frames[frames[shown].id]?.relevance[$("finding").value] ?? [];
  if (bars.length === 0) return;
  const most = Math.max(0, ...bars.map((bar) => bar.value));
  const least = Math.min(0, ...bars.map((bar) => bar.value));
  const unit = 160 / (most - least || 1);
  const zero = 10 + unit * most;
  const svg = chart($("strip"), `Relevance of slices for ${$("finding").value.replaceAll("_", " ")}`);
  const wide = 456 / bars.length;
  element("line", { x1: 12, x2: 468, y1: zero, y2: zero, class: "grid" }, svg);
  bars.forEach((bar, index) => {
    const tall = Math.max(2, unit * Math.abs(bar.value));
    const node = element("rect", {
      x: 12 + index * wide, y: bar.value >= 0 ? zero - tall : zero, width: Math.max(1, wide - 1), height: tall,
      class: bar.value >= 0 ? "for" : "against",
    }, svg);
    pressable(node, `slices ${bar.first + 1} to ${bar.last + 1}: ${bar.value.toFixed(3)}`, () => toLevel(bar.position_mm));
  });
}

function toLevel(z_mm) {
  const here = nv.frac2mm(nv.scene.crosshairPos);
  nv.scene.crosshairPos = nv.mm2frac([here[0], here[1], z_mm]); // z of LPS and of RAS is the same
  nv.createOnLocationChange();
  nv.drawScene();
}

function mark() {
  for (const dot of document.querySelectorAll("#curve circle")) {
    dot.classList.toggle("now", Number(dot.dataset.index) === shown);
  }
}

function fill(select, names) {
  if (select.options.length > 0) return;
  for (const name of names) select.add(new Option(name.replaceAll("_", " "), name));
}

function hear() {
  const all = Object.values(said.frames);
  const first = said.frames[frames[shown].id] ?? all[0];
  if (!first) return;
  fill($("structure"), first.structures);
  $("curve-card").hidden = frames.length < 2 || first.structures.length === 0;
  if (!$("curve-card").hidden) drawCurve();
  const findings = Object.keys(first.relevance).sort((a, b) => first.outputs[b] - first.outputs[a]);
  fill($("finding"), findings);
  $("strip-card").hidden = findings.length === 0;
  if (findings.length > 0) drawStrip();
  $("legend").replaceChildren(...first.structures.map((name, i) => {
    const item = document.createElement("li");
    const swatch = document.createElement("i");
    swatch.className = `label-${i + 1}`;
    item.append(swatch, `${i + 1} ${name.replaceAll("_", " ")}`);
    return item;
  }));
}

async function refresh() { // the table came with the page, before everything was read
  const reply = await fetch(location.href);
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const place = 'section[aria-labelledby="said-heading"]';
  document.querySelector(place).replaceWith(page.querySelector(place));
}

async function ask() {
  try {
    const reply = await fetch(`${base}/reading`);
    if (!reply.ok) throw new Error(`answer ${reply.status}`);
    said = await reply.json();
  } catch (error) {
    $("reading-state").textContent = `The model's reading is not to be had: ${error.message}.`;
    return;
  }
  const [read, failed] = [Object.keys(said.frames).length, Object.keys(said.failures).length];
  const of = `${read} of ${frames.length} frames`;
  $("reading-state").textContent = said.problem ? `No model's answer is shown: ${said.problem}.`
    : said.done ? `Read by ${said.model}${failed ? `; ${failed} frames could not be read` : ""}.`
      : `${said.model} is reading: ${of} …`;
  hear();
  if (!viewer.dataset.shown?.includes(" ") && playing === null) await show(shown);
  if (!said.done) setTimeout(ask, 1500);
  else if (waited) await refresh();
  waited = true;
}

function controls() {
  $("view").addEventListener("change", () => nv.setSliceType(VIEWS[$("view").value]));
  $("window").addEventListener("change", () => {
    [nv.volumes[0].cal_min, nv.volumes[0].cal_max] = window_();
    nv.updateGLVolume();
  });
  $("layer")?.addEventListener("change", () => show(shown));
  $("opacity")?.addEventListener("input", () => nv.volumes[1] && nv.setOpacity(1, Number($("opacity").value)));
  $("play").addEventListener("click", () => play(playing === null));
  $("frame").addEventListener("input", () => { play(false); show(Number($("frame").value)); });
  $("structure").addEventListener("change", drawCurve);
  $("finding").addEventListener("change", drawStrip);
  $("save").addEventListener("click", () => nv.saveScene(`frame-${shown + 1}.png`));
  const moves = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowDown: [0, 0, -1], ArrowUp: [0, 0, 1] };
  $("canvas").addEventListener("keydown", (event) => {
    const turn = { PageUp: -1, PageDown: 1 }[event.key];
    if (turn) { play(false); show((shown + turn + frames.length) % frames.length); }
    if (moves[event.key]) nv.moveCrosshairInVox(...moves[event.key]);
    if (turn || moves[event.key]) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, { capture: true });
  nv.onLocationChange = (place) => {
    const hu = place.values[0]?.value;
    $("place").textContent = `${place.mm.slice(0, 3).map((v) => v.toFixed(1)).join(", ")} mm (right, anterior, superior)`
      + (hu === undefined ? "" : ` · ${Math.round(hu)} HU`);
    viewer.dataset.level = place.mm[2].toFixed(1);
  };
}

async function begin() {
  if (!document.createElement("canvas").getContext("webgl2")) return; // the note stays
  viewer.hidden = false;
  await nv.attachToCanvas($("canvas"));
  $("no-viewer").hidden = true;
  controls();
  await show(0);
  nv.setSliceType(VIEWS.all);
  await ask();
}
begin();
